-- A relation from an id that neither lives nor ever did, or to nobody.
select r.from_id, r.type, r.to_id
from relation as r
where (r.from_id not in (select golden_id from golden) and r.from_id not in (select golden_id from redirect))
   or (r.to_id is null) = (r.to_name is null);
