-- member: one row per standard record: the golden record it belongs to.
create or replace table member as
select s.ordinal, n.g
from standard s
join crosswalk c on c.source = s.source and c.source_key = s.source_key and c.until is null
join golden_number n using (golden_id);
