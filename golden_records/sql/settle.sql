-- unsettled: the golden records whose candidates have to be compared: they differ, or do not speak for one period.
create or replace temp table unsettled as select g, disputed from summary where disputed or not plain;

-- disputed: one row per golden record whose candidates do not all have the same value.
create or replace temp table disputed as select g from unsettled where disputed;

-- verdict: one row per golden record and period: the best record of it (best % 2^40 is its ordinal) and why.
create or replace temp table verdict as
select g, best, case when candidates = 1 then 'sole' else 'unanimous' end as rule, lone,
       first_day, last_day, null::integer as next_day, columns('backed_.*')
from summary
where not disputed;
