-- disputed: one row per golden record whose candidates do not all have the same value.
create or replace temp table disputed as
select g from candidate group by g having min(k) <> max(k);

-- verdict: one row per golden record and period: the best record of it (best % 2^40 is its ordinal) and why.
create or replace temp table verdict as
select g, min((pref::hugeint << 40) + ordinal) as best,
       case when count(*) = 1 then 'sole' else 'unanimous' end as rule,
       min(number) = max(number) as lone,
       min(day) as first_day, max(day) as last_day, null::integer as next_day
from candidate
where g not in (select g from disputed)
group by g;
