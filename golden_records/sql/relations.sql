-- relation: one row per dated link from one golden record to another, with the record that says so. Who is no golden
-- record is only named: to_id is null and to_name is the name.
create or replace table relation (
    from_id varchar, type varchar, to_id varchar, to_name varchar, since date, until date, source varchar,
    source_key varchar
);
