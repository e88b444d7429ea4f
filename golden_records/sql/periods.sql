-- contest: one row per disputed golden record and period in which the best value of each day stayed equal.
create or replace temp table contest as
with day_best as (
    select g, day, min((pref::hugeint << 40) + ordinal) as best from fight group by g, day
), marked as (
    select d.g, d.day, d.best, w.k,
           lag(w.k) over (partition by d.g order by d.day) is distinct from w.k as begins
    from day_best d join fight w on w.ordinal = (d.best & 1099511627775)::bigint
), counted as (
    select *, sum(begins::integer) over (partition by g order by day) as run from marked
), period as (
    select g, run, any_value(k) as k, min(best) as best, min(day) as first_day, max(day) as last_day
    from counted
    group by g, run
), following as (
    select *, lead(first_day) over (partition by g order by run) as next_day from period
)
select p.g, p.best, p.first_day, p.last_day, p.next_day,
       min((f.pref::hugeint << 40) + f.ordinal) as other
from following p
left join fight f
    on f.g = p.g and f.k <> p.k
   and f.day >= p.first_day and (p.next_day is null or f.day < p.next_day)
group by all;
