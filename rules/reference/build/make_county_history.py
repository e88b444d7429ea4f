"""Makes county_history.csv: python make_county_history.py result.csv county_history.csv

Input: `result.csv` of github.com/yescallop/areacodes (CC0-1.0), from the Ministry of Civil Affairs' yearly lists.
A successor without a year of its own takes effect when the code is retired.
"""

import csv
import sys

LEVELS = {"省级": "province", "地级": "prefecture", "县级": "county"}

with open(sys.argv[1], encoding="utf-8-sig", newline="") as source, open(sys.argv[2], "w", newline="") as target:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(["code", "name", "level", "since", "until", "successors"])
    rows = [row for row in csv.reader(source)][1:]
    for code, _, _, name, level, _, since, until, successors in sorted(rows, key=lambda r: (r[0], r[6])):
        writer.writerow([code, name, LEVELS[level], since, until, successors])
