-- answered: the records of which anybody ever answered a ticket, and those on the other side of these tickets.
with answer as materialized (
  select t.source, t.source_key, t.value_source, t.value_source_key
  from ticket as t
  where t.entity = $entity and t.ticket_id in (select ticket_id from ticket_event where decision_id is not null)
), told as materialized (
  select source, source_key from answer
  union
  select json_extract(subjects, '$[0][0]'), json_extract(subjects, '$[0][1]') from decision
  where kind = 'answer' and entity = $entity
)
select source, source_key from told
union
select value_source, value_source_key from answer
union
select t.source, t.source_key
from told as a
join ticket as t on t.value_source = a.source and t.value_source_key = a.source_key and t.entity = $entity;
