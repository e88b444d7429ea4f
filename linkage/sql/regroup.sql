-- grouped_record: numbered below zero; a record that says what it said keeps its number.
create or replace temp table renumbered as
select coalesce(old.record_id, (select coalesce(min(record_id), 0) from grouped_record)
                               - row_number() over (partition by old.record_id is null
                                                    order by new.source, new.source_key)) as _id, new.*
from regrouped as new left join grouped_record as old using (source, source_key, row_hash);

delete from grouped_record;

insert into grouped_record by name
select * exclude (_id) replace (_id as record_id) from renumbered;

drop table renumbered;

drop table regrouped;
