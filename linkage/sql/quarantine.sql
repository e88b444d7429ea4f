-- staged becomes `standard`: a record with a check finding of severity `error` is left out, and the
-- ranks close up again, so that they index arrays without gaps.
delete from staged where record_id in (select record_id from check_finding where severity = 'error');

update staged set ordinal = dense.ordinal
from (select record_id, row_number() over (order by ordinal) - 1 as ordinal from staged) as dense
where staged.record_id = dense.record_id and staged.ordinal <> dense.ordinal;
