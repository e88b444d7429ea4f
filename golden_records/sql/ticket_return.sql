-- ticket_event: what stands again after it had closed by itself: a value that was upheld is known, others are asked anew.
insert into ticket_event (ticket_id, kind, at, reason, due, decision_id, release, detail, actor, recorded_at)
select n.ticket_id, case n.answer when 'upheld' then 'upheld' else 'reopened' end, $as_of, 'again',
       case when n.answer is 'upheld' then null else $due end,
       case when n.answer is 'upheld' then n.answered_by end, $release, '{}', $actor, $now
from stands as s
cross join ticket_now as n using (entity, source, source_key, field, evidence)
where n.state = 'closed' and n.reason in ('agrees', 'withdrawn', 'settled', 'superseded', 'dropped')
order by n.ticket_id;
