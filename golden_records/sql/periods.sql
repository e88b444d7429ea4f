-- contest: one row per disputed golden record and period: the days from one change to the next on which the best
-- of the values that speak then stayed equal.
create or replace temp table contest as
with day_best as (
    select d.g, d.day, min((f.pref::hugeint << 40) + f.ordinal) as best
    from (select g, day from fight union select g, until from fight where until is not null) d
    join fight f on f.g = d.g and f.day <= d.day and (f.until is null or d.day < f.until)
    group by d.g, d.day
), marked as (
    select d.g, d.day, d.best, w.k,
           lag(w.k) over (partition by d.g order by d.day) is distinct from w.k as begins
    from day_best d join fight w on w.ordinal = (d.best & 1099511627775)::bigint
), counted as (
    select *, sum(begins::integer) over (partition by g order by day) as run from marked
), period as (
    select g, run, any_value(k) as k, min(best) as best, min(day) as first_day
    from counted
    group by g, run
), following as (
    select *, lead(first_day) over (partition by g order by run) as next_day from period
)
select p.g, p.best, p.first_day, max(f.day) filter (where f.k = p.k) as last_day, p.next_day,
       min((f.pref::hugeint << 40) + f.ordinal) filter (where f.k <> p.k) as other
from following p
join fight f
    on f.g = p.g
   and (p.next_day is null or f.day < p.next_day) and (f.until is null or p.first_day < f.until)
group by p.g, p.run, p.best, p.first_day, p.next_day;
