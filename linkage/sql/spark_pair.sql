-- pair: a candidate pair by the ordinals of its records, and the first rule that makes it.
select l.ordinal as l, r.ordinal as r, min(l.rule) as rule
from part as l
join part as r
  on l.rule = r.rule and l.block = r.block and l.a = r.a and l.z = r.z and l.ordinal < r.ordinal
where (l.a = l.z or l.part <> r.part)
  and (l.dup_group is null or r.dup_group is null or l.dup_group <> r.dup_group)
group by l.ordinal, r.ordinal;
