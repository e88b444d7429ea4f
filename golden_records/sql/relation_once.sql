-- relation: what several rules say of the same two ends is one relation, from the first day to the last.
create or replace table relation as
select from_id, type, to_id, to_name, min(since) as since,
       case when count(*) = count(until) then max(until) end as until,
       arg_min(source, (since, source, source_key)) as source,
       arg_min(source_key, (since, source, source_key)) as source_key
from relation
group by from_id, type, to_id, to_name;
