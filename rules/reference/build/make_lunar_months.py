"""Makes lunar_months.csv: python make_lunar_months.py lunar_months.csv   (needs lunar_python, MIT)

One row per month of the Chinese calendar, 1900-2100: its number, whether it is a leap month, the solar date
of its first day and its length in days.
"""

import csv
import sys

from lunar_python import LunarYear, Solar

with open(sys.argv[1], "w", newline="") as target:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["lunar_year", "month", "leap", "first_day", "days"])
    seen = set()
    for year in range(1900, 2101):
        for month in LunarYear.fromYear(year).getMonthsInYear():
            first = month.getFirstJulianDay()
            day = Solar.fromJulianDay(first).toYmd()
            row = (month.getYear(), abs(month.getMonth()), int(month.isLeap()), day, month.getDayCount())
            if row[0] == year and row not in seen:
                seen.add(row)
                writer.writerow(row)
