-- The findings of the records that were just checked, and which of them are kept out of `standard`.
insert into finding from value_finding;

insert into finding select record_id, null, null, field, rule, severity, null from check_finding;

insert into quarantine select distinct record_id, rule from check_finding where severity = 'error';

drop table check_finding;
