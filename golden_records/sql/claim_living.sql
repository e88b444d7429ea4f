-- claim: one row per cluster and living id that held some of its records. `merged_in`: the first of them to come to it
-- came out of an id that died then, to which the cluster can go back where another one asks for this id.
create or replace temp table claim as
with left_behind as (
    select distinct source, source_key
    from previous_crosswalk
    where until is not null and golden_id not in (select golden_id from previous_golden)
)
select p.head, x.golden_id, count(*) as held, min(x.since_release) as arrived,
       any_value(m.since_release) as since_release,
       arg_min(d.source is not null, {'release': x.since_release, 'native': d.source is null}) as merged_in
from previous_crosswalk x
join standard s using (source, source_key)
join placed p using (ordinal)
join minted m on m.golden_id = x.golden_id
left join left_behind d on d.source = x.source and d.source_key = x.source_key
where x.until is null
group by p.head, x.golden_id;
