-- stands_against: made here, when all that stands is there.
create index if not exists temp.stands_against on stands (value_source, value_source_key);

-- stands: where a source upholds its value, the same difference as it was put to the other side, which still says so.
-- A value that a steward chose is asked back to nobody.
insert or ignore into stands
with upheld as materialized (
  select entity, source, source_key, field, evidence, value, said
  from ticket_now
  where answer = 'upheld' and not (state = 'closed' and reason in ('steward', 'rejected'))
)
select m.entity, m.source, m.source_key, m.field, m.evidence, m.golden_id, m.value, m.value_source, m.value_source_key,
       m.said, m.observed_on, 0, 0
from upheld as n
cross join stands as s using (entity, source, source_key, field, evidence)
cross join ticket as m on m.entity = n.entity and m.value_source = n.source and m.value_source_key = n.source_key
  and m.field = n.field and m.evidence = evidence(n.field, n.said, n.value)
where not s.decided and m.ticket_id in (select ticket_id from holds);

-- stands: where it was put to nobody, or not to anybody who still says so, the source of the golden value is asked.
insert or ignore into stands
with upheld as materialized (
  select entity, source, source_key, field, evidence
  from ticket_now
  where answer = 'upheld' and not (state = 'closed' and reason in ('steward', 'rejected'))
)
select s.entity, s.value_source, s.value_source_key, s.field, evidence(s.field, s.said, s.value), s.golden_id, s.said,
       s.source, s.source_key, s.value, null, 0, 0
from upheld as n
cross join stands as s using (entity, source, source_key, field, evidence)
where not s.decided and not exists (
  select 1 from stands as o
  where o.value_source = s.source and o.value_source_key = s.source_key and o.entity = s.entity and o.field = s.field
    and o.evidence = evidence(s.field, s.said, s.value));
