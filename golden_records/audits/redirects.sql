-- An id that answers with an id that never was.
select r.golden_id, t.successor
from (select golden_id, unnest(successors) as successor from redirect) as t
join redirect as r using (golden_id)
left join golden as g on g.golden_id = t.successor
left join redirect as o on o.golden_id = t.successor
where g.golden_id is null and o.golden_id is null;
