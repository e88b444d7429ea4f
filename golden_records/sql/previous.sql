-- previous_crosswalk, previous_golden, previous_redirect, previous_relation: what no release has said yet.
create or replace temp view previous_crosswalk as
select null::varchar as source, null::varchar as source_key, null::varchar as golden_id,
       null::date as since, null::date as until, null::integer as since_release
where false;

create or replace temp view previous_golden as
select null::varchar as golden_id, null::varchar as lifecycle, null::integer as since_release where false;

create or replace temp view previous_redirect as
select null::varchar as golden_id, null::varchar as kind, null::varchar[] as successors,
       null::integer as since_release
where false;

create or replace temp view previous_relation as
select null::varchar as from_id, null::varchar as type, null::varchar as to_id, null::varchar as to_name,
       null::date as until
where false;
