-- contest: one row per disputed golden record: its best candidate and the best one with another value.
create or replace temp table contest as
with best as (
    select g, min((pref::hugeint << 40) + ordinal) as best from fight group by g
)
select b.g, b.best,
       min((f.pref::hugeint << 40) + f.ordinal) filter (where f.k <> w.k) as other,
       min(f.day) filter (where f.k = w.k) as first_day,
       max(f.day) filter (where f.k = w.k) as last_day,
       null::integer as next_day
from best b
join fight w on w.ordinal = (b.best & 1099511627775)::bigint
join fight f on f.g = b.g
group by b.g, b.best;
