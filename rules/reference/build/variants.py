"""Knowledge about characters that no table with a free licence holds, written down for this project.

Each entry is a plain fact of Chinese writing. `make_characters.py` and `make_surnames.py` read them.
"""

from __future__ import annotations

# Variant -> the form it is compared as, beside what OpenCC's Traditional-to-Simplified table already does.
# A fold is a key, never a stored value, so two characters that clerks exchange may share one.
FOLDS = {
    pair[0]: pair[1:]
    for pair in """
    锺钟 甯宁 寗宁 喆哲 嚞哲 堃坤 犇奔 邨村 廻回 迴回 坵丘 閤合 囗口 〇零 ○零 馀余 煇辉 輝辉 暉晖 岀出 氷冰 仼任 壻婿
    嵒岩 喦岩 嵓岩 巗岩 峩峨 崐昆 崘仑 髙高 冨富 悳德 徳德 惪德 黒黑 戸户 戶户 呉吴 姸妍 眞真 愼慎 彊强 勲勋 寳宝 珎珍
    竜龙 槑梅 楳梅 枏楠 柟楠 栁柳 桺柳 碁棋 棊棋 嶌岛 嶋岛 秌秋 龝秋 穐秋 秊年 龢和 咊和 菓果 蘂蕊 蕋蕊 蔴麻 磎溪 谿溪
    廼乃 迺乃 鄊乡 郷乡 銕铁 鉄铁 儁俊 雋隽 懽欢 讙欢 驩欢 鴈雁 鵰雕 鶏鸡 麤粗 斉齐 龎庞 囯国 圀国 囻国 闗关 関关 荘庄
    寛宽 恵惠 広广 庁厅 沢泽 渓溪 滝泷 聡聪 豊丰 郞郎 靑青 頴颖 穎颖 顕显 斎斋 朶朵 栢柏 盌碗 埜野 壄野 弌一 弍二 弎三
    淸清 卽即 旣既 尙尚 絜洁 夀寿 逺远 亜亚 枱台 粧妆 衞卫 敍叙 産产 奬奖 昇升 陞升 祕秘 脩修 釐厘 麽么 夥伙 蓡参
    叅参 㕘参 濬浚 亙亘 迳径 逕径 鍳鉴 鑒鉴 𠮷吉
    """.split()
}

# What OpenCC folds although both forms live in names with different readings.
NOT_FOLDED = frozenset("乾吒袷氾扞薹苧爇么著")

# Name characters whose reading in names is not the dictionary's first one, or that have two living
# readings: character -> readings in tone-number pinyin, the usual one in names first.
READINGS = {
    pair.split(":")[0]: pair.split(":")[1].split("/")
    for pair in """
    茜:xi1/qian4 娜:na4/nuo2 莎:sha1/suo1 乐:le4/yue4 行:xing2/hang2 长:chang2/zhang3 重:zhong4/chong2
    朝:chao2/zhao1 晟:sheng4/cheng2 筠:yun2/jun1 盛:sheng4/cheng2 柏:bai3/bo2 薄:bo2/bao2 秘:mi4/bi4 尉:wei4/yu4
    炅:jiong3/gui4 伽:jia1/qie2 禅:chan2/shan4 召:zhao4/shao4 栎:li4/yue4 泷:long2/shuang1 车:che1/ju1 颉:jie2/xie2
    谌:chen2/shen4 厦:sha4/xia4 藏:zang4/cang2 降:jiang4/xiang2 佛:fo2/fu2 参:can1/shen1 单:dan1/shan4
    曾:zeng1/ceng2 澄:cheng2/deng4 都:du1/dou1 调:tiao2/diao4 贾:jia3/gu3 解:xie4/jie3 隽:jun4/juan4 楷:kai3/jie1
    绿:lv4/lu4 粘:nian2/zhan1 宓:mi4/fu2 朴:pu3/piao2 契:qi4/xie4 莘:xin1/shen1 宿:su4/xiu3 莞:guan1/wan3
    苑:yuan4 菀:wan3/yuan4 叶:ye4/xie2 员:yuan2/yun4 仔:zi3/zai3 翟:zhai2/di2 珲:hui1/hun2 嬛:huan2/xuan1 琢:zhuo2/zuo2
    拓:tuo4/ta4 蔚:wei4/yu4 郇:xun2/huan2 郗:xi1/chi1 仇:chou2/qiu2 查:cha2/zha1 盖:gai4/ge3 牟:mou2/mu4
    缪:miao4/mou2 覃:qin2/tan2 卜:bu3/bo1 隗:wei3/kui2 侗:dong4/tong2 峤:qiao2/jiao4 钿:dian4/tian2 荥:xing2/ying2
    费:fei4/bi4 那:na4 谷:gu3/yu4 繁:fan2/po2 俞:yu2/shu4 折:zhe2/she2 区:qu1/ou1 种:zhong4/chong2 阚:kan4/han3
    俟:si4/qi2 荨:xun2/qian2 湫:qiu1/jiao3 扎:zha1 奇:qi2 溥:pu3/fu1 塔:ta3 么:yao1/me5 不:bu4 了:le5/liao3
    尔:er3 茄:jia1/qie2 洗:xi3/xian3 冼:xian3 祭:ji4/zhai4 呢:ni2/ne5 适:shi4 会:hui4/kuai4 传:chuan2/zhuan4 弹:dan4/tan2
    石:shi2 句:ju4/gou1 见:jian4 校:xiao4/jiao4 省:sheng3/xing3 率:lv4/shuai4 相:xiang1 和:he2 万:wan4/mo4 南:nan2
    黑:hei1 令:ling4 逄:pang2 暨:ji4 芫:yuan2/yan2 琯:guan3 瞿:qu2 臧:zang1 沈:shen3 陆:lu4 冯:feng2 祝:zhu4 亲:qin1
    给:gei3/ji3 系:xi4 强:qiang2 晃:huang3 囡:nan1 妞:niu1 亘:gen4 彗:hui4 沓:ta4/da2 龟:gui1/qiu1 圳:zhen4 褚:chu3
    詹:zhan1 裴:pei2 楂:zha1 祎:yi1 祇:qi2/zhi3 芊:qian1 薇:wei1 咏:yong3 吾:wu2 焯:zhuo1/chao1 骁:xiao1 彧:yu4
    """.split()
}

# Characters that write the sounds of Uyghur, Kazakh, Tibetan and other names: reading in such names.
TRANSLITERATION = {
    pair.split(":")[0]: pair.split(":")[1]
    for pair in """
    都:du 卜:bu 不:bu 布:bu 合:he 和:he 乐:le 扎:zha 那:na 娜:na 提:ti 曲:qu 长:chang 行:xing 尔:er 阿:a 克:ke 可:ke
    莎:sha 沙:sha 萨:sa 吾:wu 孜:zi 茜:xi 伽:jia 给:gei 拓:tuo 朴:pu 朝:chao 重:zhong 召:zhao 尉:yu 佛:fo 曾:zeng
    买:mai 麦:mai 提:ti 江:jiang 尼:ni 亚:ya 娅:ya 孜:zi 则:ze 兹:zi 车:che 单:dan 盖:gai 查:cha 莫:mo 木:mu 穆:mu
    """.split()
}

# Private-use code points that GBK and GB 18030-2000 fonts gave to characters that Unicode has by now
# (the table of GB 18030-2022; the same pairs are in mozillazg/pinyin-data, MIT).
PRIVATE_USE = {
    chr(int(pair.split(":")[0], 16)): chr(int(pair.split(":")[1], 16))
    for pair in """
    E816:20087 E818:200CC E81A:3473 E81B:3447 E81E:9FB4 E81F:359E E820:361A E821:360E E824:396E E825:3918 E826:9FB5
    E827:39CF E828:39DF E829:3A73 E82A:39D0 E82B:9FB6 E82C:9FB7 E82D:3B4E E82E:3C6E E82F:3CE0 E831:215D7 E832:9FB8
    E834:4056 E835:415F E837:4337 E83B:2298F E83C:43B1 E83D:43AC E83F:43DD E840:44D6 E841:4661 E842:464C E843:9FB9
    E844:4723 E845:4729 E846:477C E847:478D E849:4947 E84A:497A E84B:497D E84C:4982 E84D:4983 E84E:4985 E84F:4986
    E850:499F E851:499B E852:49B7 E853:49B6 E854:9FBA E855:241FE E856:4CA3 E857:4C9F E858:4CA0 E859:4CA1 E85A:4C77
    E85B:4CA2 E85C:4D13 E85D:4D14 E85E:4D15 E85F:4D16 E860:4D17 E861:4D18 E862:4D19 E863:4DAE E864:9FBB
    """.split()
}
