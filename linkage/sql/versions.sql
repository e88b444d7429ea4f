-- version: every state of a source key that deliveries showed, once: from its day until that of the next one or, in
-- snapshots, until one lacks the key.
create or replace view version as
with listing as (
  select source, observed_on as day, lead(observed_on) over (partition by source order by observed_on) as next_day
  from (select distinct source, observed_on from batch where delivery = 'snapshot')
), shown as (
  select o.source, o.source_key, o.record_id, o.op, r.row_hash,
         coalesce(r.observed_on, b.observed_on) as since, s.next_day,
         case when b.delivery = 'snapshot' then b.observed_on else coalesce(r.observed_on, b.observed_on) end as day
  from observation as o
  join batch as b using (batch_id)
  left join record as r on r.record_id = o.record_id
  left join listing as s on b.delivery = 'snapshot' and s.source = o.source and s.day = b.observed_on
), placed as (
  select *, lead(day) over following as next_seen, lead(since) over following as next_since
  from shown
  window following as (partition by source, source_key order by day, since, row_hash)
)
select record_id, source, source_key, since, case when count(*) = count(until) then max(until) end as until
from (
  select *, least(case when next_since > since then next_since else next_seen end, next_day) as until from placed
)
where op = 'upsert' and record_id is not null
group by record_id, source, source_key, since;

-- current_record: the version of each source key that counts now. A snapshot holds everything, so a key that
-- the latest one lacks is withdrawn (one that it holds in a rejected row keeps the version of before); a delta
-- holds changes, so the last one speaks. A function of the set of landed files alone: load order plays no part.
create or replace view current_record as
with latest as (
  select source, max(observed_on) as day from batch group by source
), seen as materialized (
  select o.source, o.source_key, o.record_id, o.op, o.batch_id
  from observation as o
  join batch as b using (batch_id)
  join latest as l on l.source = o.source
  where b.delivery = 'delta' or b.observed_on = l.day or (o.source, o.source_key) in (
    select r.source, j.source_key
    from reject as j join batch as r using (batch_id) join latest as t on t.source = r.source and t.day = r.observed_on
    where j.source_key is not null)
), once as (
  select source, source_key, any_value(record_id) as record_id, any_value(op) as op, count(*) as times
  from seen group by source, source_key
), several as (
  select s.source, s.source_key,
         arg_max({'record_id': s.record_id, 'op': s.op},
                 case when b.delivery = 'snapshot'
                      then {'a': b.observed_on::varchar, 'b': coalesce(r.observed_on, b.observed_on)::varchar,
                            'c': coalesce(r.row_hash, ''), 'd': b.sha256}
                      else {'a': coalesce(r.observed_on, b.observed_on)::varchar, 'b': b.observed_on::varchar,
                            'c': b.sha256, 'd': coalesce(r.row_hash, '')} end) as said
  from seen as s
  join (select source, source_key from once where times > 1) using (source, source_key)
  join batch as b using (batch_id)
  left join record as r on r.record_id = s.record_id
  group by s.source, s.source_key
), last as (
  select record_id from once where times = 1 and op = 'upsert'
  union all
  select said.record_id from several where said.op = 'upsert'
)
select r.* from last join record as r using (record_id)
union all
select * from grouped_record;
