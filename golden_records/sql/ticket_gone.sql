-- gone: one row per open ticket whose difference does not stand; in part, only of the records within reach.
select n.ticket_id, n.source, n.source_key, n.field, n.value, n.said,
       exists (select 1 from stands as o where o.entity = n.entity and o.source = n.source
               and o.source_key = n.source_key and o.field = n.field and o.direct) as superseded
from ticket_now as n
where n.entity = $entity and n.state <> 'closed'
  and (not $part or n.ticket_id in (
    select t.ticket_id from reach as r cross join ticket as t using (entity, source, source_key)))
  and not exists (
    select 1 from stands as s
    where s.entity = n.entity and s.source = n.source and s.source_key = n.source_key and s.field = n.field
      and s.evidence = n.evidence)
order by n.ticket_id;
