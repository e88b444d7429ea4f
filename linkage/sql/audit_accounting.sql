-- A batch whose rows are not all accounted for: rows read = new versions + unchanged + withdrawals + rejected.
select b.batch_id, b.source, b.file_name, b.rows, b.new, b.unchanged, b.deleted, b.rejected
from batch as b
left join (select batch_id, count(*) filter (op = 'upsert') as shown, count(*) filter (op = 'delete') as gone
           from observation group by batch_id) as o using (batch_id)
left join (select batch_id, count(*) as kept from reject group by batch_id) as j using (batch_id)
where b.rows <> b.new + b.unchanged + b.deleted + b.rejected
   or coalesce(o.shown, 0) <> b.new + b.unchanged
   or coalesce(o.gone, 0) <> b.deleted
   or coalesce(j.kept, 0) <> b.rejected;
