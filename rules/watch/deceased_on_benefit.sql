-- name: deceased_on_benefit
-- zh: 已死亡人员仍在享受待遇
-- en: a deceased person still on a benefit
-- why: Money may go on after a death that the paying system was not told of. Evidence is the record of the death and
--   the one that still pays: a household on assistance, or a record of care or assistance written after the death.
-- needs: person, household
with dead as (
  select golden_id, since, source, source_key from person_state where state = 'dead' and until is null
), assistance as (
  select h.golden_id as household_id, left(h.division, 6) as county,
         list(c.source || '/' || c.source_key order by c.source_key) as records
  from household_golden h join household_crosswalk c using (golden_id)
  where h.lifecycle = 'active' and h.type = '3' and c.source = 'assistance_household' and c.until is null
  group by all
), on_assistance as (
  select r.to_id as golden_id, a.household_id, unnest(a.records) as record
  from household_relation r join assistance a on a.household_id = r.from_id
  where r.type in ('member', 'head') and r.until is null
), written_after as (
  select c.golden_id, c.source || '/' || c.source_key as record
  from person_crosswalk c
  join dead d on d.golden_id = c.golden_id
  where c.source in ('elderly_care', 'social_assistance') and c.until is null and c.observed_on > d.since
), benefit as (
  select golden_id, record, household_id from on_assistance
  union
  select golden_id, record, null from written_after
)
select d.golden_id, 'person' as entity, d.since, g.name, g.citizen_id,
       list_prepend(d.source || '/' || d.source_key, list_sort(list_distinct(list(b.record)))) as evidence,
       coalesce(list_sort(list_distinct(list(b.household_id) filter (b.household_id is not null))), []) as involved
from dead d
join benefit b using (golden_id)
join person_golden g using (golden_id)
group by d.golden_id, d.since, g.name, g.citizen_id, d.source, d.source_key
