-- verified: one row per field whose current values have a state.
create or replace table verified as select unnest($verified::varchar[]) as field;

-- dispute: one row per golden value and current source record that says something else.
create or replace table dispute (
    golden_id varchar, field varchar, value varchar, value_source varchar, value_source_key varchar,
    source varchar, source_key varchar, said varchar, observed_on date, state varchar
);
