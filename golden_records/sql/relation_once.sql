-- relation: what several rules say of the same two ends is one relation, from the first day to the last.
create or replace table relation as
select * exclude (first), first.source as source, first.source_key as source_key
from (
    select from_id, type, to_id, to_name, min(since) as since,
           case when count(*) = count(until) then max(until) end as until,
           min({'since': since, 'source': source, 'source_key': source_key}) as first
    from relation
    group by from_id, type, to_id, to_name
);
