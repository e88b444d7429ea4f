-- part: a record in a block. A block of many records is dealt out into parts, and stands once for every two of them (a, z),
-- so that no task gets more than two parts of one; `split` says for each number of parts which there are.
select placed.rule, placed.block, placed.ordinal, placed.dup_group, placed.part,
       least(placed.part, split.part) as a, greatest(placed.part, split.part) as z
from (
  select block.rule, block.block, block.ordinal, block.dup_group, sized.parts, block.ordinal % sized.parts as part
  from block
  join (
    select rule, block, (records + $most - 1) // $most as parts
    from block_size where records * (records - 1) // 2 > alike
  ) as sized on sized.rule = block.rule and sized.block = block.block
) as placed
join split on split.parts = placed.parts;
