-- replaced: one row per id of which a row of the release may differ from that of the release before.
create or replace table replaced as
select golden_id from {part}.affected_id
union
select golden_id from {part}.golden_number
union
select golden_id from lived
union
select from_id from (
    (from {part}.relation except from held_relation) union all (from held_relation except from {part}.relation)
)
union
select golden_id from ((from state except from held_state) union all (from held_state except from state));
