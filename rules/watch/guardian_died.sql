-- name: guardian_died
-- zh: 监护人已死亡
-- en: a guardian who died
-- why: Whose guardian died needs another one (民法典第三十九条); nobody may have told the register that lists the guardian.
-- needs: person
select r.from_id as golden_id, 'person' as entity, d.since, g.name, g.citizen_id, w.name as person_name,
       list_sort(list_distinct([r.source || '/' || r.source_key, d.source || '/' || d.source_key])) as evidence,
       [r.to_id] as involved
from person_relation r
join person_state d on d.golden_id = r.to_id and d.state = 'dead' and d.until is null
join person_golden g on g.golden_id = r.from_id and g.lifecycle = 'alive'
join person_golden w on w.golden_id = r.to_id
where r.type = 'guardian' and r.until is null
