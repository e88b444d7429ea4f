-- A quarantined record that got into a golden record, or a record that counts, stands in none and is not told to be
-- quarantined.
with placed as materialized (
    select record_id from standard join member using (ordinal)
)
select * from (
    select r.source, r.source_key, 'quarantined, and in a golden record' as fault
    from living as r semi join quarantine using (record_id) semi join placed using (record_id)
    union all
    select r.source, r.source_key, 'lost'
    from living as r anti join quarantine using (record_id) anti join placed using (record_id)
    union all
    select r.source, r.source_key, 'quarantined without a finding'
    from quarantine as q
    join living as r using (record_id)
    anti join finding as f on f.record_id = q.record_id and f.rule = q.rule and f.severity = 'error'
) order by fault desc, source, source_key;
