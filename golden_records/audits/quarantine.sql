-- A quarantined record that got into a golden record, or a record that counts, stands in none and is not told to be
-- quarantined.
select r.source, r.source_key, 'quarantined, and in a golden record' as fault
from quarantine as q
join current_record as r using (record_id)
join standard as s using (record_id)
join member as m using (ordinal)
union all
select r.source, r.source_key, 'lost'
from current_record as r
where r.record_id not in (select record_id from quarantine)
  and r.record_id not in (select s.record_id from standard as s join member as m using (ordinal))
union all
select r.source, r.source_key, 'quarantined without a finding'
from quarantine as q
join current_record as r using (record_id)
anti join finding as f on f.record_id = q.record_id and f.rule = q.rule and f.severity = 'error';
