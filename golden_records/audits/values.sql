-- A golden value without a text, or taken from a record that is no member.
select p.golden_id, p.field, p.source, p.source_key
from provenance as p
left join crosswalk as c on c.golden_id = p.golden_id and c.source = p.source and c.source_key = p.source_key
  and c.until is null
where c.golden_id is null or p.value is null;
