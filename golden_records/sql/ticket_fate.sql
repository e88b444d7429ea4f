-- fate: one row per ticket in `gone`: why its difference does not stand, null where it rests because its source is late,
-- and whether the golden value is what the record said, and its source still says so.
with held as (
  select source, source_key, golden_id from crosswalk
  where until is null and (source, source_key) in (select (source, source_key) from gone)
), present as (
  select golden_id, field, value, source, agree from provenance
  where valid_to is null and golden_id in (select golden_id from held)
)
select g.ticket_id,
       case when g.superseded then 'superseded'
            when not list_contains($verified::varchar[], g.field) then 'dropped'
            when x.golden_id is null or p.value is null then 'withdrawn'
            when p.value = g.said and p.value is distinct from g.value then 'settled'
            when list_contains($late::varchar[], g.source) then null
            when p.source = g.source or list_contains(p.agree, g.source) then 'agrees'
            else 'withdrawn' end as reason,
       coalesce(p.value = g.said and (p.source = g.source or list_contains(p.agree, g.source)), false) as holds
from gone as g
left join held as x using (source, source_key)
left join present as p on p.golden_id = x.golden_id and p.field = g.field
order by g.ticket_id;
