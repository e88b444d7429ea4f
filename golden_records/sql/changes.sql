-- moved: one row per id of the previous release and other id that took living records of it.
create or replace temp table moved as
select x.golden_id, c.golden_id as to_id, count(*) as records
from previous_crosswalk x
join crosswalk c on c.source = x.source and c.source_key = x.source_key and c.until is null
where x.until is null and c.golden_id <> x.golden_id
group by x.golden_id, c.golden_id;

-- fate: one row per id of the previous release: whether it lives on.
create or replace temp table fate as
select p.golden_id, p.since_release, n.golden_id is not null as lives
from previous_golden p left join golden n using (golden_id);

-- newcomer: one row per id that lives now and did not in the previous release.
create or replace temp table newcomer as
select n.golden_id,
       case when d.golden_id is not null then 'revived' else 'created' end as kind
from golden n
left join previous_golden p using (golden_id)
left join (select distinct golden_id from previous_crosswalk) d on d.golden_id = n.golden_id
where p.golden_id is null;

-- departure: one row per id and release in which it ended or lost records to a new id.
create or replace temp table departure as
select f.golden_id, f.since_release, f.lives,
       list(m.to_id order by m.records desc, m.to_id) filter (where m.to_id is not null) as successors
from fate f
left join moved m
    on m.golden_id = f.golden_id and (not f.lives or m.to_id in (select golden_id from newcomer))
group by f.golden_id, f.since_release, f.lives
having not f.lives or count(m.to_id) > 0;

-- redirect: one row per id that answers with other ids, now (it ended) or besides its own (it was split).
create or replace table redirect as
with ended as (
    select golden_id,
           case when successors is null then 'retired' when len(successors) = 1 then 'merged' else 'split' end
               as kind,
           coalesce(successors, []) as successors, since_release
    from departure
    where not lives
    union all
    select r.golden_id, r.kind, r.successors, r.since_release
    from previous_redirect r
    where r.golden_id not in (select golden_id from golden)
      and r.golden_id not in (select golden_id from previous_golden)
), split as (
    select golden_id, list_distinct(flatten(list(successors order by rank))) as successors,
           any_value(since_release) as since_release
    from (
        select golden_id, successors, since_release, 1 as rank from departure where lives
        union all
        select r.golden_id, r.successors, r.since_release, 0 as rank
        from previous_redirect r
        where r.kind = 'split' and r.golden_id in (select golden_id from golden)
          and r.golden_id in (select golden_id from previous_golden)
    )
    group by golden_id
), walk as (
    with recursive step (golden_id, reached) as (
        select golden_id, unnest(successors) from split
        union
        select step.golden_id, unnest(ended.successors) from step join ended on ended.golden_id = step.reached
    )
    select golden_id from step
    where reached in (select golden_id from golden) and reached <> golden_id
)
select * from ended
union all
select golden_id, 'split', list_sort(successors), since_release from split
where golden_id in (select golden_id from walk);

-- relation_altered: one row per relation that only one of the two releases knows, or that has ended between them.
create or replace temp table relation_altered as
with now as (
    select from_id, type, to_id, to_name, until from relation
), before as (
    select from_id, type, to_id, to_name, until from previous_relation
)
(from now except from before) union all (from before except from now);
