-- from_id: one row per id of which a relation may have changed: those that are affected and those that had a relation to
-- one that is, of this entity type or another; relations.py adds those that have one now.
create or replace temp table from_id as
select golden_id as from_id from affected_id
union
select golden_id from golden_number
union
select from_id from relation where to_id in (select golden_id from moved_id);
