-- placed: where each record that came belongs in the order of (source, source_key): in its old place where its key had
-- one, else between two places. Every 256th record of `standard` leads to the few that a new key has to be compared with.
create or replace temp table placed as
with incoming as (
  select r.record_id, r.source || chr(1) || r.source_key as key, was.ordinal
  from came join record as r using (record_id) left join was using (source, source_key)
), milestone as (
  select ordinal, source || chr(1) || source_key as key from standard where ordinal % 256 = 0
), near as (
  select n.record_id, n.key, coalesce(m.ordinal, 0) // 256 as stretch
  from (from incoming where ordinal is null) as n asof left join milestone as m on n.key >= m.key
), stretch as (
  select ordinal // 256 as stretch, source || chr(1) || source_key as key
  from standard where ordinal // 256 in (select stretch from near)
), below as (
  select n.record_id, n.key, n.stretch * 256 - 1 + count(s.key) as last
  from near as n left join stretch as s on s.stretch = n.stretch and s.key < n.key
  group by n.record_id, n.key, n.stretch
)
select record_id, ordinal::double as place from incoming where ordinal is not null
union all
select record_id, last + row_number() over (order by key) / (count(*) over () + 1) from below;
