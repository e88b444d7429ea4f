-- name: beneficiary_legal_representative
-- zh: 低保（救助）家庭成员担任社会组织法定代表人
-- en: a member of a household on assistance is a legal representative
-- why: Who heads a social organization may have income or property that the application did not tell. Many such posts
--   are unpaid, so this is a question to ask, not an answer.
-- needs: person, household, organization
with assistance as (
  select h.golden_id as household_id, left(h.division, 6) as county,
         list(c.source || '/' || c.source_key order by c.source_key) as records
  from household_golden h join household_crosswalk c using (golden_id)
  where h.lifecycle = 'active' and h.type = '3' and c.source = 'assistance_household' and c.until is null
  group by all
), on_assistance as (
  select r.to_id as golden_id, a.household_id, a.records, min(r.since) as since
  from household_relation r join assistance a on a.household_id = r.from_id
  where r.type in ('member', 'head') and r.until is null
  group by all
)
select a.golden_id, 'person' as entity, max(greatest(a.since, r.since)) as since, any_value(g.name) as name,
       any_value(g.citizen_id) as citizen_id, any_value(o.name) as organization_name,
       any_value(o.credit_code) as organization_credit_code,
       list_sort(list_distinct(flatten(list(list_append(a.records, r.source || '/' || r.source_key))))) as evidence,
       list_sort(list_distinct(list_append(list(a.household_id), o.golden_id))) as involved
from on_assistance a
join organization_relation r on r.to_id = a.golden_id and r.type = 'represented_by' and r.until is null
join organization_golden o on o.golden_id = r.from_id and o.lifecycle = 'active'
join person_golden g on g.golden_id = a.golden_id
group by a.golden_id, o.golden_id
