-- staged_row becomes `standard_row`: a record with a check finding of severity `error` is left out, and the
-- ranks close up again, so that they index arrays without gaps.
delete from staged_row where record_id in (select record_id from check_finding where severity = 'error');

update staged_row set ordinal = dense.ordinal
from (select record_id, row_number() over (order by ordinal) - 1 as ordinal from staged_row) as dense
where staged_row.record_id = dense.record_id and staged_row.ordinal <> dense.ordinal;
