-- golden: what the release says of the ids at hand, with the states that the life cycle gave them.
drop table golden;
create table golden as from golden semi join replaced using (golden_id);

-- before_golden: what the release before says of them; beside the affected ids these are ids of which only a relation or
-- the state changed.
insert into before_golden by name
select g.* replace (coalesce(l.before, g.lifecycle) as lifecycle)
from golden g left join lived l using (golden_id)
where g.golden_id not in (select golden_id from affected_id union select golden_id from golden_number);
