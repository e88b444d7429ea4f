-- A current value of a verified field that has not exactly one state, a state where none belongs, or a dispute that
-- nobody has.
select golden_id, field, coalesce(state, 'no state') as fault from provenance
where valid_to is null and field in (select field from verified) and (state is null or state not in
  ('invalid', 'disputed', 'stale', 'confirmed', 'agreed', 'single_source'))
union all
select golden_id, field, 'a state of the past' from provenance
where state is not null and (valid_to is not null or field not in (select field from verified))
union all
select any_value(golden_id), field, 'two current values' from provenance
where valid_to is null group by g, field having count(*) > 1
union all
select golden_id, field, 'disputed by nobody'
from (select golden_id, field from provenance where state = 'disputed') as p anti join dispute using (golden_id, field)
union all
select golden_id, field, 'a dispute about no value'
from (select golden_id, field from dispute where state in ('disputed', 'invalid')) as d
anti join (select golden_id, field from provenance where state in ('disputed', 'invalid')) as p using (golden_id, field)
union all
select golden_id, field, 'a dispute in state ' || state from dispute where state not in ('disputed', 'invalid');
