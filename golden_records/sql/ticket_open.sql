-- ticket: those of differences that never stood before.
insert into ticket (entity, source, source_key, field, evidence, golden_id, value, value_source, value_source_key, said,
                    observed_on, owner, release, opened_at, due, recorded_at)
select s.entity, s.source, s.source_key, s.field, s.evidence, s.golden_id, s.value, s.value_source, s.value_source_key,
       s.said, s.observed_on, coalesce(o.owner, ''), $release, $as_of, $due, $now
from stands as s
left join owned as o using (entity, source)
where not exists (
  select 1 from ticket as t
  where t.entity = s.entity and t.source = s.source and t.source_key = s.source_key and t.field = s.field
    and t.evidence = s.evidence)
order by s.entity, s.source, s.source_key, s.field, s.evidence;

-- ticket_event: answers that were decided elsewhere, or before the tickets were lost, to what stands without one.
insert into ticket_event (ticket_id, kind, at, decision_id, release, detail, actor, recorded_at)
with said as (
  select entity, json_extract(subjects, '$[0][0]') as source, json_extract(subjects, '$[0][1]') as source_key,
         json_extract(payload, '$.field') as field, evidence, json_extract(payload, '$.answer') as answer, steward,
         max(decision_id) as decision_id
  from decision
  where kind = 'answer' and withdrawn_at is null and evidence is not null
  group by 1, 2, 3, 4, 5
)
select n.ticket_id, a.answer, $as_of, a.decision_id, $release, '{}', a.steward, $now
from said as a
cross join stands as s using (entity, source, source_key, field, evidence)
cross join ticket_now as n using (entity, source, source_key, field, evidence)
where n.answer is null and n.state <> 'closed'
  and not exists (select 1 from ticket_event as e where e.ticket_id = n.ticket_id and e.decision_id = a.decision_id)
order by n.ticket_id;

-- ticket_event: an owner that does not accept a ticket closes it.
insert into ticket_event (ticket_id, kind, at, reason, decision_id, release, detail, actor, recorded_at)
select e.ticket_id, 'closed', $as_of, 'rejected', e.decision_id, $release, '{}', $actor, $now
from event_in_force as e
join ticket_now as n using (ticket_id)
where e.kind = 'rejected' and n.state = 'rejected'
order by e.ticket_id;
