-- fate: one row per ticket in `gone`: why its difference does not stand, null where it rests because its source is late,
-- and whether the golden value is what the record said, and its source still says so.
select g.ticket_id,
       case when g.superseded then 'superseded'
            when not list_contains($verified::varchar[], g.field) then 'dropped'
            when x.golden_id is null or p.value is null then 'withdrawn'
            when p.value = g.said and p.value is distinct from g.value then 'settled'
            when list_contains($late::varchar[], g.source) then null
            when p.source = g.source or list_contains(p.agree, g.source) then 'agrees'
            else 'withdrawn' end as reason,
       coalesce(p.value = g.said and (p.source = g.source or list_contains(p.agree, g.source)), false) as holds
from gone as g
left join crosswalk as x on x.source = g.source and x.source_key = g.source_key and x.until is null
left join provenance as p on p.golden_id = x.golden_id and p.field = g.field and p.valid_to is null
order by g.ticket_id;
