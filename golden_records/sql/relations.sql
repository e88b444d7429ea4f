-- relation: one row per dated link from one golden record to another.
create or replace table relation (
    from_id varchar, type varchar, to_id varchar, since date, until date, source varchar
);
