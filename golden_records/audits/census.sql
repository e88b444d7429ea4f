-- A census that does not add up: current records are members of golden records or quarantined, and nothing else;
-- the golden records by region and state are all that there are.
select n.records, n.members, n.quarantined, n.golden, t.records, t.members, t.golden
from (
    select sum(n) filter (item = 'records') as records, sum(n) filter (item = 'members') as members,
           sum(n) filter (item = 'quarantined') as quarantined, coalesce(sum(n) filter (item = 'golden'), 0) as golden
    from census
) as n, (
    select (select count(*) from living) as records, (select count(*) from member) as members,
           (select count(*) from golden) as golden
) as t
where n.records <> n.members + n.quarantined
   or n.records <> t.records or n.members <> t.members or n.golden <> t.golden;
