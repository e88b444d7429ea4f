-- golden_number: one row per golden record; `g` is its number in the work database.
create or replace table golden_number as
with new as (
    select head, $body || lpad(($counter + row_number() over (order by head))::varchar, 10, '0') as body
    from (select distinct head from placed)
    where head not in (select head from heir)
), every_one as (
    select head, golden_id, origin from heir
    union all
    select head, body || check_character(body), 'created' from new
)
select ($numbered + row_number() over (order by golden_id))::integer as g, golden_id, head, origin
from every_one
order by golden_id;

-- member: one row per standard record: the golden record it belongs to.
create or replace table member as
select p.ordinal, n.g
from placed p join golden_number n using (head);

-- crosswalk: one row per source record and golden record it belonged to; while it does, `until` is null and
-- `observed_on` the day that the record speaks of.
create or replace table crosswalk as
with now as (
    select s.source, s.source_key, n.golden_id, s.observed_on
    from standard s
    join member m using (ordinal)
    join golden_number n using (g)
)
select now.source, now.source_key, now.golden_id,
       coalesce(x.since, $as_of::date) as since,
       null::date as until,
       coalesce(x.since_release, $release::integer) as since_release,
       now.observed_on
from now
left join previous_crosswalk x
    on x.source = now.source and x.source_key = now.source_key
   and x.golden_id = now.golden_id and x.until is null
union all
select x.source, x.source_key, x.golden_id, x.since, coalesce(x.until, $as_of::date), x.since_release, null
from previous_crosswalk x
left join now
    on x.source = now.source and x.source_key = now.source_key
   and x.golden_id = now.golden_id and x.until is null
where now.golden_id is null;
