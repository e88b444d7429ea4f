-- quality: one row per measure, source, region, field and rule: how many of n were as they should be.
create or replace table quality (
    indicator varchar, measure varchar, source varchar, region varchar, field varchar, rule varchar,
    hits bigint, n bigint
);

-- no_duplicate: records that are the only one of their source (and of their yearly list) in their golden record.
insert into quality
select 'accuracy', 'no_duplicate', source, region, null, null, count(*) filter (siblings = 1), count(*)
from judged where g is not null
group by source, region;

-- timeliness: records whose source delivered within its cycle; of yearly lists the rows of the newest one.
insert into quality
select 'timeliness', 'timeliness', j.source, j.region, null, null,
       count(*) filter (h.day >= $as_of::date - s.cycle_days), count(*)
from judged j join system s using (source) left join heard h using (source)
where s.cycle_days is not null and (not s.periodic or j.listed_last)
group by j.source, j.region;

-- delivery_on_time: a delivery within a cycle of the one before is on time; a longer gap holds as many as fit in it.
insert into quality
with day as (
    select distinct source, observed_on as day from batch
), gap as (
    select source, day - lag(day) over (partition by source order by day) as days from day
)
select 'accessibility', 'delivery_on_time', g.source, null, null, null,
       count(*) filter (g.days is null or g.days <= s.cycle_days),
       sum(case when g.days is null then 1 else greatest(1, round(g.days / s.cycle_days)) end)::bigint
from gap g join system s using (source)
where s.cycle_days is not null
group by g.source;

-- rows_accepted: rows that became a version of a record, or said that it had not changed or was gone.
insert into quality
select 'accessibility', 'rows_accepted', source, null, null, null, sum(rows - rejected)::bigint, sum(rows)::bigint
from batch group by source;
