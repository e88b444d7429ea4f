-- name: two_assistance_households
-- zh: 一人同时在两个低保（救助）家庭
-- en: one person in two households on assistance
-- why: A household on the minimum living allowance counts each member once. Two at a time are a move that one side was
--   not told of, or a double claim; in two counties the double claim is likelier.
-- needs: person, household
with assistance as (
  select h.golden_id as household_id, left(h.division, 6) as county,
         list(c.source || '/' || c.source_key order by c.source_key) as records
  from household_golden h join household_crosswalk c using (golden_id)
  where h.lifecycle = 'active' and h.type = '3' and c.source = 'assistance_household' and c.until is null
  group by all
), stands_in as (
  select r.to_id as golden_id, a.household_id, a.county, a.records, min(r.since) as since
  from household_relation r join assistance a on a.household_id = r.from_id
  where r.type in ('member', 'head') and r.until is null
  group by all
)
select s.golden_id, 'person' as entity, max(s.since) as since, any_value(g.name) as name,
       any_value(g.citizen_id) as citizen_id, count(distinct s.county) as counties,
       list_sort(list_distinct(flatten(list(s.records)))) as evidence,
       list(s.household_id order by s.household_id) as involved
from stands_in s
join person_golden g using (golden_id)
group by s.golden_id
having count(*) > 1
