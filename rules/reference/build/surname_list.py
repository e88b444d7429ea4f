"""Surnames and what is special about them, written down for this project from public facts.

Ranks: the hundred most frequent surnames in 《二〇二〇年全国姓名报告》 of the Ministry of Public Security.
Readings of surnames: 《现代汉语词典》 usage; where two are accepted, the more frequent one comes first.
"""

from __future__ import annotations

MOST_FREQUENT = """
王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖
石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常
""".replace("\n", "")

# Behind the first hundred, in the order of their weights in wainshine/Chinese-Names-Corpus (Apache-2.0).
FREQUENT = """
洪赖傅汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟申殷詹欧耿关兰焦俞左柳甘祝包代宁符阮尚舒纪柯梅童毕凌单季成霍苗裴涂谷曲盛
冉翁蓝骆路游靳辛管柴蒙鲍华喻祁房蒲滕萧屈饶解牟艾尤时阳阎穆应农司古吉卓车简连缪项麦褚窦娄戚岑党宫景卜费冷晏卫席柏米隋宗桂瞿全苟楼
闵佟臧边卞姬邬和师仇栾丘刁沙商寇荣巫郎桑丛甄敖虞仲池巩明佘查麻苑迟邝封官谈鞠匡惠荆乐冀胥郁南班储芦原栗燕楚鄢劳谌奚皮蔺粟冼盘满闻
厉伊仝区郜阚花权强帅屠朴盖练廉禹井巴漆祖丰支卿国狄计索宣晋相占初门云容敬来扈晁都芮普阙戈浦伏鹿邸雍辜
""".replace("\n", "")

# The rest of the Song-dynasty 《百家姓》 and living surnames outside the lists above.
RARE = """
蒋沈水窦章云潘葛奚酆鲍史费廉岑薛滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平和穆尹姚湛祁毛狄米贝臧计伏成宋茅纪舒屈项祝董梁杜阮
席季麻贾娄危童颜盛刁骆夏樊凌霍万支柯昝管经裘缪干应宗宣贲单诸左石吉钮龚程嵇滑荣荀羊惠家芮羿储汲邴糜井富焦弓牧隗山车侯宓蓬郗班秋
伊仇暴甘钭武符束幽黎蓟薄宿通边扈燕浦尚别晏瞿阎充慕连茹宦鱼容易慎戈廖庾终暨居衡步耿满弘寇广禄阙东殴沃利蔚越夔隆巩厍聂晁勾敖融訾辛阚
那空曾毋沙乜养须关蒯查荆红游竺盖逯岳帅缑亢况後有琴商牟佴佘伯赏墨哈谯笪年爱佟归海晋闫法汝鄢涂钦逄亓仉佀仵玄禚綦邰逮郄尕完么万肇
付代邱闫冼覃蓝农韦邝岑植黎莫侬兀撒折苑刑由衣修丛历苏门盆候银印战展才战斯来昂敬尧青奉练税补但粟母蒲陀寸刀思线保罕者普沐龙阿马郇睢员
贠佐颉麴瞿逢訾展寿冮初战宛果矫於修佳那言庄忻栗尉鹿植郏郐甯镡仰过丑危海由木央沃朗
""".replace("\n", "")

# Compound surnames that are in use; dubious ones whose first character is itself frequent are left out.
COMPOUND = """
欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 公孙 慕容 仲孙 钟离
长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 拓跋 夹谷 轩辕 令狐 呼延 东郭 南门 羊舌 微生
公户 公玉 公仪 公仲 公上 公门 公山 公坚 公伯 西门 公祖 第五 公乘 贯丘 南荣 东里 东宫 仲长 子书 子桑 即墨 达奚 褚师 纳兰 完颜 叶赫
淳于 左丘 百里 耶律 东门 北堂 欧侯 哥舒 贺兰 宿勤 屈突
""".split()

# Surnames that clerks and families exchange; all are compared as the first.
CLASSES = ["肖萧", "付傅", "闫阎", "代戴", "邱丘", "员贠", "宁甯", "于於", "钟锺", "余馀"]

# Surnames read otherwise than the same character in a given name; the first reading is the usual one.
READINGS = {
    pair.split(":")[0]: pair.split(":")[1].split("/")
    for pair in """
    肖:xiao1 曾:zeng1 覃:qin2/tan2 翟:zhai2/di2 单:shan4 解:xie4 牟:mou2/mu4 缪:miao4 卜:bu3 仇:qiu2 查:zha1 乐:yue4/le4 朴:piao2 区:ou1 员:yun4
    么:yao1 种:chong2 任:ren2 华:hua4 宁:ning4 纪:ji3 应:ying1 盖:ge3/gai4 隗:wei3/kui2 郇:xun2/huan2 尉:wei4/yu4 宓:mi4/fu2
    佴:nai4 逄:pang2 乜:nie4 冼:xian3 洗:xian3 召:shao4/zhao4 祭:zhai4 句:gou1 黑:hei1 车:che1 撒:sa4 折:she2/zhe2 繁:po2
    薄:bo2 柏:bai3/bo2 秘:bi4/mi4 贾:jia3 费:fei4/bi4 郗:xi1/chi1 晁:chao2 臧:zang1 褚:chu3 谌:chen2/shen4 长:chang2 钭:tou3
    莘:xin1/shen1 葛:ge3 燕:yan1 洗:xian3 沈:shen3 石:shi2 曲:qu1 俞:yu2 谷:gu3 那:na1 过:guo1 令:ling2 相:xiang4 强:qiang2
    盛:sheng4 卞:bian4 干:gan1 占:zhan1 冯:feng2 冠:guan4 哈:ha3 訾:zi1 仉:zhang3 亓:qi2 昝:zan3 厍:she4 麴:qu1 颉:xie2/jie2
    阚:kan4 芮:rui4 逯:lu4 尹:yin3 瞿:qu2 於:yu1 行:xing2 都:du1 居:ju1 隋:sui2 牛:niu2 宿:su4 晟:cheng2/sheng4 弹:tan2
    欧阳:ou1_yang2 万俟:mo4_qi2 尉迟:yu4_chi2 长孙:zhang3_sun1 澹台:tan2_tai2 鲜于:xian1_yu2 宰父:zai3_fu3
    令狐:ling2_hu2 亓官:qi2_guan1 夏侯:xia4_hou2 乐正:yue4_zheng4 仲长:zhong4_chang2 濮阳:pu2_yang2 夹谷:jia2_gu3
    子车:zi3_ju1 贺兰:he4_lan2 百里:bai3_li3 宿勤:su4_qin2 皇甫:huang2_fu3 达奚:da2_xi1 公乘:gong1_sheng4
    """.split()
}

# Persons registered under compound surnames (national name reports of the Ministry of Public Security, 2018-2020).
COMPOUND_PERSONS = {
    "欧阳": 1_112_000, "上官": 88_000, "皇甫": 64_000, "令狐": 55_000, "诸葛": 48_000, "司徒": 47_000,
    "司马": 23_000, "尉迟": 4_000,
}  # fmt: skip

# Shares of the ten most frequent surnames, percent of Han Chinese born 1930-2008, and how many surnames
# cover how many percent (figures published from the national registry, NCIIS).
TOP_PERCENT = [7.49, 7.37, 7.03, 5.31, 4.55, 3.37, 2.35, 2.11, 2.00, 1.96]
COVERAGE = [(15, 50.0), (72, 80.0), (126, 90.0), (192, 95.0), (368, 99.0)]
