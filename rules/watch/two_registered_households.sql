-- name: two_registered_households
-- zh: 一人同时在两个户籍户
-- en: one person in two registered households
-- why: Everybody is registered once. A second registration (双户口) is an old one that was not cancelled, or two people
--   under one number.
-- needs: person, household
with stands_in as (
  select distinct on (r.to_id, r.from_id) r.to_id as golden_id, r.from_id as household_id, r.since, r.source,
         r.source_key
  from household_relation r
  join household_golden h on h.golden_id = r.from_id
  where r.type = 'member' and r.until is null and r.source = 'civil_household' and h.type = '1' and h.lifecycle = 'active'
  order by r.to_id, r.from_id, r.since, r.source, r.source_key
)
select s.golden_id, 'person' as entity, max(s.since) as since, any_value(g.name) as name,
       any_value(g.citizen_id) as citizen_id,
       list(s.source || '/' || s.source_key order by s.source, s.source_key) as evidence,
       list(s.household_id order by s.household_id) as involved
from stands_in s
join person_golden g using (golden_id)
group by s.golden_id
having count(*) > 1
