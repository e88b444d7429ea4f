-- name: closed_institution_reports
-- zh: 已关停机构仍在上报床位
-- en: a closed institution that still reports beds
-- why: The list of statistics has beds of an institution that its own register closed before: beds are counted, and may
--   be subsidized, that are not there.
-- needs: institution
select s.golden_id, 'institution' as entity, s.since, g.name, g.division, g.beds,
       [s.source || '/' || s.source_key]
         || list(c.source || '/' || c.source_key order by c.source, c.source_key) as evidence
from institution_state s
join institution_golden g using (golden_id)
join institution_crosswalk c using (golden_id)
where s.state = 'closed' and s.until is null and c.source = 'institution_statistics' and c.until is null
  and c.observed_on > s.since and try_cast(g.beds as integer) > 0
group by s.golden_id, s.since, g.name, g.division, g.beds, s.source, s.source_key
