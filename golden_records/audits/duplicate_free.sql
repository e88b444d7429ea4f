-- Two records of a group that its source declares free of duplicates in one golden record, with no
-- steward's `same` decision to join them (those are listed in same_decision).
select m.g, s.dup_group, count(*) as records
from standard as s join member as m using (ordinal)
where s.dup_group is not null and s.ordinal not in (select ordinal from same_decision)
group by all having count(*) > 1;
