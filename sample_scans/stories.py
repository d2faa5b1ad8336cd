"""Sample scans, stories: the invented clinical courses that the sample forms tell."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Imaging:
    """One imaging examination: what was asked, DICOM code, what was seen."""

    request: str
    modality: str
    findings: str
    conclusion: str


@dataclass(frozen=True)
class Drug:
    name: str
    strength: str
    quantity: int
    unit: str
    dosage: str


@dataclass(frozen=True)
class Infusion:
    """One drug of a chemotherapy cycle as its order gives it."""

    name: str
    strength: str
    dosage: str
    solvent: str
    route: str
    duration: str


@dataclass(frozen=True)
class Exam:
    """What an examination found: one text for each blank of the form."""

    reason: str
    history: str
    past_history: str
    family_history: str
    general: str
    organs: str
    results: str = ""
    referral: str = ""


@dataclass(frozen=True)
class Story:
    """One course of illness; `sex` is empty where it may be anyone's."""

    department: str
    main: str
    main_code: str
    secondary: str
    secondary_code: str
    treatment: str
    outcome: str
    note: str
    days: tuple[int, int]
    ages: tuple[int, int]
    imaging: tuple[Imaging, ...]
    drugs: tuple[Drug, ...]
    high: tuple[str, ...] = ()
    low: tuple[str, ...] = ()
    sex: str = ""
    procedure: str = ""
    anesthesia: str = "Gây mê nội khí quản"
    postop: str = ""
    site: str = ""
    gross: str = ""
    micro: str = ""
    pathology: str = ""
    transfer_to: str = ""
    transfer_reason: str = ""
    steps: tuple[str, ...] = field(default=())
    exam: Exam | None = None
    regimen: str = ""
    infusions: tuple[Infusion, ...] = ()


PARACETAMOL = Drug("Paracetamol", "500mg", 20, "viên", "Ngày uống 2 lần, mỗi lần 1 viên khi đau")
OMEPRAZOL = Drug("Omeprazol", "20mg", 14, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, trước ăn sáng")
CEFUROXIM = Drug("Cefuroxim", "500mg", 14, "viên", "Ngày uống 2 lần, mỗi lần 1 viên, sau ăn")
CALCI = Drug("Calci carbonat", "500mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, sau ăn sáng")

BREAST = Story(
    department="Ngoại Vú",
    main="Ung thư vú trái giai đoạn IIA (T2N0M0)",
    main_code="C50.4",
    secondary="Tăng huyết áp",
    secondary_code="I10",
    treatment="Phẫu thuật cắt tuyến vú trái triệt căn biến đổi, vét hạch nách trái",
    outcome="improved",
    note="Tái khám sau 2 tuần để điều trị hóa chất bổ trợ",
    days=(9, 13),
    ages=(41, 66),
    sex="female",
    imaging=(
        Imaging(
            "Siêu âm tuyến vú hai bên",
            "US",
            "Vú trái vị trí 2 giờ có khối giảm âm kích thước 24x18mm, bờ không đều, có vi vôi hóa bên trong. "
            "Vú phải không thấy khối bất thường. Hố nách trái có vài hạch nhỏ còn rốn hạch.",
            "Khối vú trái vị trí 2 giờ, BIRADS 5.",
        ),
        Imaging(
            "Chụp cắt lớp vi tính lồng ngực có tiêm thuốc cản quang",
            "CT",
            "Nhu mô phổi hai bên không thấy nốt mờ bất thường. Không thấy hạch trung thất lớn. "
            "Màng phổi hai bên không có dịch. Không thấy tổn thương xương.",
            "Không thấy hình ảnh di căn phổi trên phim chụp hiện tại.",
        ),
    ),
    drugs=(Drug("Tamoxifen", "20mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, buổi tối"), CALCI, PARACETAMOL),
    high=("CA 15-3",),
    procedure="Phẫu thuật cắt tuyến vú trái triệt căn biến đổi, vét hạch nách",
    postop="Ung thư vú trái giai đoạn IIA",
    site="Vú trái",
    gross="Bệnh phẩm tuyến vú kích thước 16x12x4cm, có u kích thước 2,4x1,8cm, mật độ chắc, diện cắt trắng xám.",
    micro="Mô u gồm các tế bào nhân lớn, tăng sắc, xếp thành đám, xâm nhập mô đệm xơ. "
    "Diện cắt đáy không còn tế bào u. 12 hạch nách không có di căn.",
    pathology="Ung thư biểu mô tuyến vú xâm nhập, độ mô học II",
    transfer_to="Bệnh viện đa khoa tỉnh Hà Nam",
    transfer_reason="Theo yêu cầu của người bệnh và gia đình",
    steps=(
        "Rạch da hình elip quanh tuyến vú trái.",
        "Cắt toàn bộ tuyến vú, lấy cả cân cơ ngực lớn.",
        "Vét hạch nách nhóm I và II.",
        "Cầm máu, đặt 02 dẫn lưu, đóng da hai lớp.",
    ),
    exam=Exam(
        reason="Khám lại theo hẹn sau phẫu thuật",
        history="Phẫu thuật cắt tuyến vú trái cách đây 3 tuần, vết mổ liền tốt, tay trái hơi nặng khi vận động.",
        past_history="Tăng huyết áp 4 năm, điều trị đều",
        family_history="Chị gái điều trị bệnh vú năm 2015",
        general="Tỉnh, thể trạng trung bình, da niêm mạc hồng, không phù",
        organs="Vết mổ thành ngực trái khô, liền tốt. Hố nách hai bên không sờ thấy hạch. Tim đều, phổi thông khí tốt.",
    ),
    regimen="AC",
    infusions=(
        Infusion("Doxorubicin", "50mg", "90mg", "NaCl 0,9% 100ml", "Truyền tĩnh mạch", "30 phút"),
        Infusion("Cyclophosphamid", "500mg", "900mg", "NaCl 0,9% 250ml", "Truyền tĩnh mạch", "60 phút"),
        Infusion("Ondansetron", "8mg", "8mg", "NaCl 0,9% 50ml", "Truyền tĩnh mạch", "15 phút"),
    ),
)
GASTRIC = Story(
    department="Ngoại Tiêu hóa",
    main="Ung thư hang vị dạ dày giai đoạn IIB (T3N1M0)",
    main_code="C16.3",
    secondary="Thiếu máu do thiếu sắt",
    secondary_code="D50.9",
    treatment="Phẫu thuật cắt bán phần dưới dạ dày, vét hạch D2",
    outcome="improved",
    note="Ăn mềm, chia nhiều bữa; tái khám sau 1 tháng",
    days=(11, 15),
    ages=(48, 73),
    imaging=(
        Imaging(
            "Chụp cắt lớp vi tính ổ bụng có tiêm thuốc cản quang",
            "CT",
            "Thành dạ dày vùng hang vị dày không đều, chỗ dày nhất 17mm, ngấm thuốc sau tiêm. "
            "Có vài hạch bờ cong nhỏ, hạch lớn nhất 11mm. Gan không thấy khối khu trú. Không có dịch ổ bụng.",
            "Hình ảnh dày thành hang vị dạ dày kèm hạch bờ cong nhỏ, nghĩ đến ung thư dạ dày.",
        ),
        Imaging(
            "Siêu âm ổ bụng tổng quát",
            "US",
            "Gan không to, nhu mô đều. Túi mật không có sỏi. Tụy kích thước bình thường. "
            "Hai thận không có sỏi, không ứ nước. Vùng hang vị thành dày 15mm.",
            "Dày thành dạ dày vùng hang vị.",
        ),
    ),
    drugs=(
        OMEPRAZOL,
        Drug("Sắt fumarat", "310mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, trước ăn trưa"),
        PARACETAMOL,
    ),
    high=("CEA", "CA 72-4"),
    low=("Hemoglobin", "Hồng cầu", "Hematocrit", "Albumin"),
    procedure="Phẫu thuật cắt bán phần dưới dạ dày, vét hạch D2, nối vị tràng kiểu Roux-en-Y",
    postop="Ung thư hang vị dạ dày giai đoạn IIB",
    site="Hang vị dạ dày",
    gross="Bệnh phẩm bán phần dưới dạ dày dài 15cm, vùng hang vị có ổ loét kích thước 3x4cm, bờ gồ cao, đáy cứng.",
    micro="Mô u gồm các tuyến méo mó, tế bào nhân tăng sắc, xâm nhập đến lớp dưới thanh mạc. "
    "Hai diện cắt không có tế bào u. Di căn 2 trong 18 hạch.",
    pathology="Ung thư biểu mô tuyến dạ dày, biệt hóa vừa",
    transfer_to="Bệnh viện đa khoa tỉnh Ninh Bình",
    transfer_reason="Tiếp tục chăm sóc sau phẫu thuật tại tuyến dưới",
    steps=(
        "Mở bụng đường trắng giữa trên rốn.",
        "Kiểm tra: u hang vị chưa xâm lấn tạng lân cận.",
        "Cắt bán phần dưới dạ dày, vét hạch D2.",
        "Nối vị tràng kiểu Roux-en-Y, đặt dẫn lưu dưới gan, đóng bụng.",
    ),
)
GALLSTONE = Story(
    department="Ngoại Tổng hợp",
    main="Sỏi túi mật, viêm túi mật mạn tính",
    main_code="K80.1",
    secondary="Đái tháo đường típ 2",
    secondary_code="E11.9",
    treatment="Phẫu thuật nội soi cắt túi mật, kháng sinh, giảm đau",
    outcome="recovered",
    note="Hạn chế ăn mỡ, khám lại sau 1 tuần",
    days=(5, 8),
    ages=(35, 68),
    imaging=(
        Imaging(
            "Siêu âm ổ bụng",
            "US",
            "Túi mật thành dày 5mm, trong lòng có nhiều sỏi, viên lớn nhất 14mm, kèm bóng cản. "
            "Đường mật trong và ngoài gan không giãn. Gan nhu mô tăng âm nhẹ. Không có dịch ổ bụng.",
            "Sỏi túi mật, hình ảnh viêm túi mật mạn.",
        ),
        Imaging(
            "Chụp X-quang tim phổi thẳng",
            "CR",
            "Bóng tim không to. Hai phế trường sáng đều, không thấy đám mờ. Góc sườn hoành hai bên nhọn.",
            "Hình ảnh tim phổi trong giới hạn bình thường.",
        ),
    ),
    drugs=(CEFUROXIM, Drug("Metformin", "850mg", 60, "viên", "Ngày uống 2 lần, mỗi lần 1 viên, sau ăn"), PARACETAMOL),
    high=("Glucose", "GGT", "Bạch cầu"),
    procedure="Phẫu thuật nội soi cắt túi mật",
    postop="Viêm túi mật mạn do sỏi",
    site="Túi mật",
    gross="Túi mật kích thước 8x3x3cm, thành dày 0,5cm, niêm mạc sần, trong lòng có nhiều viên sỏi màu nâu.",
    micro="Niêm mạc túi mật lót biểu mô trụ đơn, mô đệm xơ hóa và xâm nhập nhiều tế bào viêm mạn tính. "
    "Không thấy tế bào ác tính trên các mảnh cắt.",
    pathology="Viêm túi mật mạn tính",
    transfer_to="Bệnh viện đa khoa huyện Yên Thế",
    transfer_reason="Người bệnh ổn định, chuyển về tuyến dưới theo dõi",
    steps=(
        "Đặt 4 trocar, bơm CO2 áp lực 12mmHg.",
        "Phẫu tích tam giác Calot, kẹp cắt ống và động mạch túi mật.",
        "Giải phóng túi mật khỏi giường gan, cầm máu.",
        "Lấy bệnh phẩm qua lỗ rốn, đóng các lỗ trocar.",
    ),
    exam=Exam(
        reason="Đau bụng vùng hạ sườn phải",
        history="Đau âm ỉ hạ sườn phải 2 tháng nay, hai ngày nay đau tăng sau ăn, lan ra sau lưng, không sốt.",
        past_history="Đái tháo đường típ 2 phát hiện 5 năm",
        family_history="Chưa phát hiện bệnh lý liên quan",
        general="Tỉnh, tiếp xúc tốt, da niêm mạc hồng, không vàng mắt",
        organs="Bụng mềm, ấn đau điểm túi mật, dấu hiệu Murphy dương tính. Tim đều, phổi không rale.",
        results="Siêu âm: túi mật thành dày 5mm, trong lòng có nhiều sỏi",
        referral="Sỏi túi mật",
    ),
)
THYROID = Story(
    department="Ngoại Đầu cổ",
    main="Ung thư tuyến giáp thùy phải giai đoạn I (T1N0M0)",
    main_code="C73",
    secondary="Viêm dạ dày mạn",
    secondary_code="K29.5",
    treatment="Phẫu thuật cắt thùy phải và eo tuyến giáp",
    outcome="improved",
    note="Uống thuốc theo đơn, khám lại sau 4 tuần, mang theo kết quả giải phẫu bệnh",
    days=(5, 7),
    ages=(28, 58),
    imaging=(
        Imaging(
            "Siêu âm tuyến giáp và vùng cổ",
            "US",
            "Thùy phải tuyến giáp có nhân giảm âm kích thước 9x7mm, bờ không đều, có vi vôi hóa. "
            "Thùy trái nhu mô đều, không thấy nhân. Không thấy hạch cổ bất thường hai bên.",
            "Nhân thùy phải tuyến giáp, TIRADS 5.",
        ),
    ),
    drugs=(
        Drug("Levothyroxin", "100mcg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, trước ăn sáng 30 phút"),
        CALCI,
        PARACETAMOL,
    ),
    low=("Calci toàn phần",),
    procedure="Phẫu thuật cắt thùy phải và eo tuyến giáp",
    postop="Ung thư tuyến giáp thùy phải",
    site="Tuyến giáp thùy phải",
    gross="Thùy tuyến giáp kích thước 4x2x2cm, diện cắt có nhân chắc màu trắng, đường kính 0,9cm.",
    micro="Mô u có cấu trúc nhú, lõi liên kết mạch, tế bào u nhân sáng, có khía và giả thể vùi trong nhân. "
    "U chưa phá vỡ vỏ tuyến giáp.",
    pathology="Ung thư biểu mô tuyến giáp thể nhú",
    transfer_to="Bệnh viện đa khoa tỉnh Lạng Sơn",
    transfer_reason="Tiếp tục theo dõi tại nơi cư trú",
    steps=(
        "Rạch da cổ theo nếp lằn da.",
        "Bộc lộ thùy phải, bảo tồn dây thần kinh quặt ngược.",
        "Cắt thùy phải và eo tuyến giáp.",
        "Cầm máu, đặt dẫn lưu, đóng da trong da.",
    ),
)
COLON = Story(
    department="Ngoại Tiêu hóa",
    main="Ung thư đại tràng lên giai đoạn II (T3N0M0)",
    main_code="C18.2",
    secondary="Tăng huyết áp",
    secondary_code="I10",
    treatment="Phẫu thuật nội soi cắt nửa đại tràng phải",
    outcome="improved",
    note="Khám lại sau 3 tuần tại phòng khám ung bướu",
    days=(9, 13),
    ages=(45, 76),
    imaging=(
        Imaging(
            "Chụp cộng hưởng từ ổ bụng có tiêm thuốc đối quang từ",
            "MR",
            "Đại tràng lên có khối dày thành dài 48mm, ngấm thuốc mạnh, bờ ngoài nham nhở. "
            "Gan không thấy tổn thương khu trú. Không thấy hạch mạc treo lớn. Không có dịch ổ bụng.",
            "Khối u đại tràng lên, chưa thấy di căn gan.",
        ),
    ),
    drugs=(Drug("Amlodipin", "5mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, buổi sáng"), OMEPRAZOL, PARACETAMOL),
    high=("CEA",),
    low=("Hemoglobin", "Hematocrit"),
    procedure="Phẫu thuật nội soi cắt nửa đại tràng phải, nối hồi tràng với đại tràng ngang",
    postop="Ung thư đại tràng lên",
    site="Đại tràng lên",
    gross="Đoạn ruột dài 24cm, đại tràng lên có u sùi kích thước 5x4cm chiếm hai phần ba chu vi lòng ruột.",
    micro="Mô u gồm các tuyến không đều, tế bào nhân lớn, nhiều nhân chia, xâm nhập qua lớp cơ. "
    "Hai đầu diện cắt không có tế bào u. 16 hạch không có di căn.",
    pathology="Ung thư biểu mô tuyến đại tràng, biệt hóa vừa",
    transfer_to="Bệnh viện đa khoa tỉnh Hà Tĩnh",
    transfer_reason="Phù hợp điều trị tại tuyến dưới sau phẫu thuật",
    steps=(
        "Đặt 5 trocar, kiểm tra ổ bụng.",
        "Thắt bó mạch hồi đại tràng tận gốc.",
        "Cắt nửa đại tràng phải, nối hồi tràng với đại tràng ngang.",
        "Đặt dẫn lưu, đóng bụng.",
    ),
    regimen="FOLFOX4",
    infusions=(
        Infusion("Oxaliplatin", "100mg", "140mg", "Glucose 5% 500ml", "Truyền tĩnh mạch", "120 phút"),
        Infusion("Calci folinat", "50mg", "300mg", "Glucose 5% 250ml", "Truyền tĩnh mạch", "120 phút"),
        Infusion("Fluorouracil", "500mg", "650mg", "NaCl 0,9% 100ml", "Tiêm tĩnh mạch", "5 phút"),
    ),
)
APPENDIX = Story(
    department="Ngoại Tổng hợp",
    main="Viêm ruột thừa cấp",
    main_code="K35.8",
    secondary="",
    secondary_code="",
    treatment="Phẫu thuật nội soi cắt ruột thừa, kháng sinh",
    outcome="recovered",
    note="Khám lại khi có đau bụng hoặc sốt",
    days=(4, 6),
    ages=(17, 55),
    imaging=(
        Imaging(
            "Siêu âm ổ bụng vùng hố chậu phải",
            "US",
            "Hố chậu phải có cấu trúc ống tiêu hóa đường kính 9mm, thành dày, ấn không xẹp, "
            "thâm nhiễm mỡ xung quanh. Có ít dịch quanh manh tràng.",
            "Hình ảnh viêm ruột thừa cấp.",
        ),
    ),
    drugs=(
        CEFUROXIM,
        Drug("Metronidazol", "250mg", 28, "viên", "Ngày uống 2 lần, mỗi lần 2 viên, sau ăn"),
        PARACETAMOL,
    ),
    high=("Bạch cầu", "CRP"),
    procedure="Phẫu thuật nội soi cắt ruột thừa",
    postop="Viêm ruột thừa cấp thể nung mủ",
    site="Ruột thừa",
    gross="Ruột thừa dài 7cm, đường kính 1cm, thanh mạc sung huyết, có giả mạc, trong lòng có mủ.",
    micro="Thành ruột thừa phù nề, xâm nhập dày đặc bạch cầu đa nhân trung tính qua các lớp. Không thấy tế bào u.",
    pathology="Viêm ruột thừa cấp mủ",
    transfer_to="Bệnh viện đa khoa huyện Nam Sách",
    transfer_reason="Hết giai đoạn cấp, theo dõi tiếp tại tuyến dưới",
    steps=(
        "Đặt 3 trocar, vào ổ bụng.",
        "Ruột thừa sưng to, có giả mạc, chưa vỡ.",
        "Kẹp cắt mạc treo, cắt ruột thừa tận gốc.",
        "Rửa, lau sạch hố chậu phải, đóng các lỗ trocar.",
    ),
)
PNEUMONIA = Story(
    department="Nội Hô hấp",
    main="Viêm phổi thùy dưới phải",
    main_code="J18.9",
    secondary="Tăng huyết áp",
    secondary_code="I10",
    treatment="Kháng sinh đường tĩnh mạch, long đờm, hạ sốt",
    outcome="recovered",
    note="Giữ ấm, uống thuốc theo đơn, khám lại sau 10 ngày",
    days=(7, 10),
    ages=(52, 81),
    imaging=(
        Imaging(
            "Chụp X-quang ngực thẳng",
            "CR",
            "Đám mờ không đều thùy dưới phổi phải, có hình phế quản hơi. Phổi trái sáng đều. "
            "Bóng tim không to. Góc sườn hoành phải tù nhẹ.",
            "Hình ảnh viêm phổi thùy dưới phải.",
        ),
    ),
    drugs=(
        Drug("Levofloxacin", "500mg", 7, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, buổi sáng"),
        Drug("Acetylcystein", "200mg", 21, "gói", "Ngày uống 3 lần, mỗi lần 1 gói, pha với nước"),
        Drug("Amlodipin", "5mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, buổi sáng"),
    ),
    high=("Bạch cầu", "CRP"),
    transfer_to="Bệnh viện Phổi tỉnh Nghệ An",
    transfer_reason="Vượt quá khả năng chuyên môn của cơ sở",
    exam=Exam(
        reason="Sốt, ho có đờm",
        history="Sốt 3 ngày nay, cao nhất 39 độ, ho đờm đục, đau ngực phải khi hít sâu, đã dùng thuốc hạ sốt tại nhà.",
        past_history="Tăng huyết áp 8 năm, điều trị đều",
        family_history="Chưa phát hiện bệnh lý liên quan",
        general="Tỉnh, mệt, môi khô, không phù, hạch ngoại vi không sờ thấy",
        organs="Phổi phải rì rào phế nang giảm ở đáy, có rale nổ. Tim đều. Bụng mềm, gan lách không to.",
        results="X-quang: đám mờ thùy dưới phổi phải",
        referral="Theo dõi viêm phổi",
    ),
)
FIBROID = Story(
    department="Phụ sản",
    main="U xơ tử cung trong cơ",
    main_code="D25.1",
    secondary="Thiếu máu do thiếu sắt",
    secondary_code="D50.9",
    treatment="Phẫu thuật cắt tử cung hoàn toàn, để lại hai phần phụ",
    outcome="recovered",
    note="Kiêng lao động nặng 2 tháng, khám lại sau 1 tháng",
    days=(6, 9),
    ages=(39, 52),
    sex="female",
    imaging=(
        Imaging(
            "Siêu âm tử cung phần phụ",
            "US",
            "Tử cung to, thân tử cung có khối giảm âm kích thước 62x55mm, ranh giới rõ. "
            "Niêm mạc tử cung dày 7mm. Hai buồng trứng bình thường. Không có dịch túi cùng Douglas.",
            "U xơ tử cung kích thước 62x55mm.",
        ),
    ),
    drugs=(
        Drug("Sắt fumarat", "310mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, trước ăn trưa"),
        CEFUROXIM,
        PARACETAMOL,
    ),
    low=("Hemoglobin", "Hồng cầu", "Sắt huyết thanh"),
    procedure="Phẫu thuật cắt tử cung hoàn toàn đường bụng",
    anesthesia="Gây tê tủy sống",
    postop="U xơ tử cung",
    site="Thân tử cung",
    gross="Tử cung kích thước 11x8x7cm, trong cơ có khối tròn đường kính 6cm, ranh giới rõ, diện cắt cuộn trắng.",
    micro="Khối u gồm các bó tế bào cơ trơn xếp đan chéo, nhân hình bầu dục, không thấy nhân chia bất thường. "
    "Niêm mạc tử cung ở giai đoạn chế tiết.",
    pathology="U cơ trơn lành tính của tử cung",
    transfer_to="Bệnh viện Phụ sản Trung ương",
    transfer_reason="Vượt quá khả năng chuyên môn của cơ sở",
    steps=(
        "Mở bụng đường ngang trên vệ.",
        "Cặp cắt dây chằng tròn, dây chằng tử cung buồng trứng hai bên.",
        "Cắt tử cung hoàn toàn, khâu mỏm cắt âm đạo.",
        "Kiểm tra cầm máu, đóng bụng theo lớp.",
    ),
)
WRIST = Story(
    department="Chấn thương Chỉnh hình",
    main="Gãy kín đầu dưới xương quay phải",
    main_code="S52.5",
    secondary="",
    secondary_code="",
    treatment="Phẫu thuật kết hợp xương nẹp vít đầu dưới xương quay phải",
    outcome="improved",
    note="Treo tay 4 tuần, tập vận động ngón tay, khám lại sau 1 tháng",
    days=(4, 7),
    ages=(19, 64),
    imaging=(
        Imaging(
            "Chụp X-quang cổ tay phải thẳng, nghiêng",
            "CR",
            "Gãy đầu dưới xương quay phải, di lệch nhẹ ra sau. Mỏm trâm trụ nguyên vẹn. "
            "Khớp quay trụ dưới không giãn. Phần mềm quanh khớp sưng nề.",
            "Gãy đầu dưới xương quay phải di lệch.",
        ),
    ),
    drugs=(Drug("Meloxicam", "7,5mg", 10, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, sau ăn"), CALCI, PARACETAMOL),
    procedure="Phẫu thuật kết hợp xương nẹp vít đầu dưới xương quay phải",
    anesthesia="Gây tê đám rối thần kinh cánh tay",
    postop="Gãy đầu dưới xương quay phải",
    site="Xương quay phải",
    gross="Vài mảnh xương vụn kích thước 0,3x0,5cm, mật độ cứng.",
    micro="Các bè xương trưởng thành, khoảng tủy có ổ chảy máu mới, không thấy tế bào ác tính.",
    pathology="Mô xương lành tính, phù hợp ổ gãy mới",
    transfer_to="Bệnh viện đa khoa tỉnh Bắc Giang",
    transfer_reason="Theo yêu cầu của người bệnh",
    steps=(
        "Garo hơi gốc chi, rạch da mặt trước cổ tay.",
        "Bộc lộ ổ gãy, nắn chỉnh.",
        "Đặt nẹp chữ T, bắt 6 vít.",
        "Kiểm tra trên màn tăng sáng, đóng vết mổ.",
    ),
)
DIABETES = Story(
    department="Nội Tiết",
    main="Đái tháo đường típ 2 có biến chứng thần kinh",
    main_code="E11.4",
    secondary="Tăng huyết áp",
    secondary_code="I10",
    treatment="Điều chỉnh đường huyết bằng insulin, kiểm soát huyết áp",
    outcome="unchanged",
    note="Ăn giảm tinh bột, tự theo dõi đường huyết tại nhà",
    days=(8, 12),
    ages=(50, 78),
    imaging=(
        Imaging(
            "Siêu âm ổ bụng tổng quát",
            "US",
            "Gan nhu mô tăng âm lan tỏa, bờ đều. Đường mật không giãn. Tụy không thấy khối. "
            "Hai thận kích thước bình thường, không có sỏi.",
            "Gan nhiễm mỡ độ I.",
        ),
    ),
    drugs=(
        Drug("Metformin", "850mg", 60, "viên", "Ngày uống 2 lần, mỗi lần 1 viên, sau ăn"),
        Drug("Gliclazid", "30mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, trước ăn sáng"),
        Drug("Pregabalin", "75mg", 30, "viên", "Ngày uống 1 lần, mỗi lần 1 viên, buổi tối"),
    ),
    high=("Glucose", "HbA1c", "Triglycerid", "Cholesterol"),
    transfer_to="Bệnh viện Nội tiết Trung ương",
    transfer_reason="Đường huyết khó kiểm soát, cần điều trị chuyên sâu",
    exam=Exam(
        reason="Khám định kỳ",
        history="Đái tháo đường típ 2 phát hiện 7 năm, tê bì hai bàn chân về đêm, ăn kiêng chưa đều.",
        past_history="Tăng huyết áp, rối loạn lipid máu",
        family_history="Mẹ mắc đái tháo đường",
        general="Tỉnh, thể trạng trung bình, không phù",
        organs="Giảm cảm giác nông hai bàn chân, mạch mu chân bắt rõ. Tim đều, phổi trong.",
        results="Glucose máu lúc đói 9,8 mmol/L",
    ),
)

# name, unit, lower and upper limit, decimals
BLOOD_COUNT = [
    ("Hồng cầu", "T/L", 3.9, 5.6, 2),
    ("Hemoglobin", "g/L", 120, 165, 0),
    ("Hematocrit", "L/L", 0.35, 0.49, 2),
    ("MCV", "fL", 80, 97, 1),
    ("MCH", "pg", 26, 32, 1),
    ("Bạch cầu", "G/L", 4, 10, 2),
    ("Bạch cầu trung tính", "%", 43, 76, 1),
    ("Bạch cầu lympho", "%", 17, 48, 1),
    ("Tiểu cầu", "G/L", 150, 400, 0),
]
CHEMISTRY = [
    ("Glucose", "mmol/L", 3.9, 6.4, 2),
    ("Ure", "mmol/L", 2.5, 7.5, 2),
    ("Creatinin", "µmol/L", 53, 110, 0),
    ("AST (GOT)", "U/L", 5, 37, 1),
    ("ALT (GPT)", "U/L", 5, 40, 1),
    ("GGT", "U/L", 8, 55, 1),
    ("Bilirubin toàn phần", "µmol/L", 3.4, 17.1, 1),
    ("Albumin", "g/L", 35, 52, 1),
    ("Natri", "mmol/L", 135, 145, 0),
    ("Kali", "mmol/L", 3.5, 5.1, 2),
    ("Clo", "mmol/L", 98, 107, 0),
]
MARKERS = [("CEA", "ng/mL", 0.2, 5.2, 2), ("CA 15-3", "U/mL", 4, 31.3, 1), ("CA 72-4", "U/mL", 0.5, 6.9, 2)]
METABOLIC = [
    ("HbA1c", "%", 4.1, 6.2, 1),
    ("Cholesterol", "mmol/L", 3.1, 5.2, 2),
    ("Triglycerid", "mmol/L", 0.46, 1.88, 2),
    ("CRP", "mg/L", 0.1, 5.3, 1),
    ("Calci toàn phần", "mmol/L", 2.15, 2.55, 2),
    ("Sắt huyết thanh", "µmol/L", 9.1, 30.4, 1),
]
