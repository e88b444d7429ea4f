-- voter: one row per source: its number in the lists of sources, and the number of the voice it speaks with.
create or replace temp table voter (source varchar, number utinyint, voice utinyint);

-- provenance: one row per golden value and, for a field with history, per period of equal values.
create or replace table provenance (
    g integer, golden_id varchar, field varchar, value varchar,
    valid_from date, last_seen date, valid_to date,
    source varchar, source_key varchar, record_id bigint,
    rule varchar, agree varchar[], differ varchar[]
);
