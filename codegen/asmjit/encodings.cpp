#include "codegen/asmjit/encodings.h"

namespace kiln::codegen::x64 {
namespace {

namespace Inst = asmjit::x86::Inst;
constexpr asmjit::InstId kNo = Inst::kIdNone;
constexpr int16_t kOwn = Encoding::kOwn;

constexpr Encoding kEncodings[] = {
    {Op::move, Inst::kIdVmovaps, Inst::kIdVmovaps},
    {Op::add_ps, Inst::kIdVaddps, Inst::kIdVaddps},
    {Op::add_pd, Inst::kIdVaddpd, Inst::kIdVaddpd},
    {Op::sub_ps, Inst::kIdVsubps, Inst::kIdVsubps},
    {Op::sub_pd, Inst::kIdVsubpd, Inst::kIdVsubpd},
    {Op::mul_ps, Inst::kIdVmulps, Inst::kIdVmulps},
    {Op::mul_pd, Inst::kIdVmulpd, Inst::kIdVmulpd},
    {Op::div_ps, Inst::kIdVdivps, Inst::kIdVdivps},
    {Op::div_pd, Inst::kIdVdivpd, Inst::kIdVdivpd},
    {Op::min_ps, Inst::kIdVminps, Inst::kIdVminps},
    {Op::min_pd, Inst::kIdVminpd, Inst::kIdVminpd},
    {Op::max_ps, Inst::kIdVmaxps, Inst::kIdVmaxps},
    {Op::max_pd, Inst::kIdVmaxpd, Inst::kIdVmaxpd},
    {Op::sqrt_ps, Inst::kIdVsqrtps, Inst::kIdVsqrtps},
    {Op::sqrt_pd, Inst::kIdVsqrtpd, Inst::kIdVsqrtpd},
    {Op::round_ps, Inst::kIdVroundps, Inst::kIdVrndscaleps, kOwn},
    {Op::round_pd, Inst::kIdVroundpd, Inst::kIdVrndscalepd, kOwn},
    {Op::scale_ps, kNo, Inst::kIdVscalefps},
    {Op::scale_pd, kNo, Inst::kIdVscalefpd},
    {Op::and_bits, Inst::kIdVpand, Inst::kIdVpandd},
    {Op::or_bits, Inst::kIdVpor, Inst::kIdVpord},
    {Op::xor_bits, Inst::kIdVpxor, Inst::kIdVpxord},
    {Op::andnot_bits, Inst::kIdVpandn, Inst::kIdVpandnd},
    {Op::ternary_bits, kNo, Inst::kIdVpternlogd, kOwn},
    {Op::add_d, Inst::kIdVpaddd, Inst::kIdVpaddd},
    {Op::add_q, Inst::kIdVpaddq, Inst::kIdVpaddq},
    {Op::sub_d, Inst::kIdVpsubd, Inst::kIdVpsubd},
    {Op::sub_q, Inst::kIdVpsubq, Inst::kIdVpsubq},
    {Op::mul_d, Inst::kIdVpmulld, Inst::kIdVpmulld},
    {Op::mul_q, kNo, Inst::kIdVpmullq},
    {Op::mul_low_q, Inst::kIdVpmuludq, Inst::kIdVpmuludq},
    {Op::min_d, Inst::kIdVpminsd, Inst::kIdVpminsd},
    {Op::min_q, kNo, Inst::kIdVpminsq},
    {Op::max_d, Inst::kIdVpmaxsd, Inst::kIdVpmaxsd},
    {Op::max_q, kNo, Inst::kIdVpmaxsq},
    {Op::abs_d, Inst::kIdVpabsd, Inst::kIdVpabsd},
    {Op::abs_q, kNo, Inst::kIdVpabsq},
    {Op::shlv_d, Inst::kIdVpsllvd, Inst::kIdVpsllvd},
    {Op::shlv_q, Inst::kIdVpsllvq, Inst::kIdVpsllvq},
    {Op::shrv_d, Inst::kIdVpsrlvd, Inst::kIdVpsrlvd},
    {Op::shrv_q, Inst::kIdVpsrlvq, Inst::kIdVpsrlvq},
    {Op::sarv_d, Inst::kIdVpsravd, Inst::kIdVpsravd},
    {Op::sarv_q, kNo, Inst::kIdVpsravq},
    {Op::shl_q, Inst::kIdVpsllq, Inst::kIdVpsllq, kOwn},
    {Op::shr_q, Inst::kIdVpsrlq, Inst::kIdVpsrlq, kOwn},
    {Op::cmp_ps, Inst::kIdVcmpps, Inst::kIdVcmpps, kOwn},
    {Op::cmp_pd, Inst::kIdVcmppd, Inst::kIdVcmppd, kOwn},
    {Op::cmp_d, kNo, Inst::kIdVpcmpd, kOwn},
    {Op::cmp_q, kNo, Inst::kIdVpcmpq, kOwn},
    {Op::eq_d, Inst::kIdVpcmpeqd, kNo},
    {Op::eq_q, Inst::kIdVpcmpeqq, kNo},
    {Op::gt_d, Inst::kIdVpcmpgtd, kNo},
    {Op::gt_q, Inst::kIdVpcmpgtq, kNo},
    {Op::test_b, kNo, Inst::kIdVptestmb},
    {Op::blend_ps, Inst::kIdVblendvps, Inst::kIdVblendmps},
    {Op::blend_pd, Inst::kIdVblendvpd, Inst::kIdVblendmpd},
    {Op::fix_up_ps, kNo, Inst::kIdVfixupimmps, 0},
    {Op::fix_up_pd, kNo, Inst::kIdVfixupimmpd, 0},
    {Op::ps_to_pd, Inst::kIdVcvtps2pd, Inst::kIdVcvtps2pd},
    {Op::pd_to_ps, Inst::kIdVcvtpd2ps, Inst::kIdVcvtpd2ps},
    {Op::d_to_ps, Inst::kIdVcvtdq2ps, Inst::kIdVcvtdq2ps},
    {Op::d_to_pd, Inst::kIdVcvtdq2pd, Inst::kIdVcvtdq2pd},
    {Op::q_to_ps, kNo, Inst::kIdVcvtqq2ps},
    {Op::q_to_pd, kNo, Inst::kIdVcvtqq2pd},
    {Op::ps_to_d, Inst::kIdVcvttps2dq, Inst::kIdVcvttps2dq},
    {Op::pd_to_d, Inst::kIdVcvttpd2dq, Inst::kIdVcvttpd2dq},
    {Op::ps_to_q, kNo, Inst::kIdVcvttps2qq},
    {Op::pd_to_q, kNo, Inst::kIdVcvttpd2qq},
    {Op::zext_d_q, Inst::kIdVpmovzxdq, Inst::kIdVpmovzxdq},
    {Op::sext_d_q, Inst::kIdVpmovsxdq, Inst::kIdVpmovsxdq},
    {Op::narrow_q_d, kNo, Inst::kIdVpmovqd},
    {Op::narrow_d_b, kNo, Inst::kIdVpmovdb},
    {Op::narrow_d_w, kNo, Inst::kIdVpmovdw},
    {Op::zext_w_d, Inst::kIdVpmovzxwd, Inst::kIdVpmovzxwd},
    {Op::ph_to_ps, Inst::kIdVcvtph2ps, Inst::kIdVcvtph2ps},
    {Op::ps_to_ph, Inst::kIdVcvtps2ph, Inst::kIdVcvtps2ph, 0},  // to nearest even, whatever MXCSR says
    {Op::high_half, Inst::kIdVextractf128, Inst::kIdVextractf64x4, 1},
    {Op::join_halves, Inst::kIdVinsertf128, Inst::kIdVinsertf64x4, 1},
    {Op::swap_128, Inst::kIdVperm2f128, Inst::kIdVshuff64x2, kOwn},
    {Op::permute_ps, Inst::kIdVpermilps, Inst::kIdVpermilps, kOwn},
    {Op::permute_q, Inst::kIdVpermq, Inst::kIdVpermq, kOwn},
    {Op::shuffle_ps, Inst::kIdVshufps, Inst::kIdVshufps, kOwn},
    {Op::pack_d_w, Inst::kIdVpackusdw, kNo},
    {Op::pack_w_b, Inst::kIdVpackuswb, kNo},
    {Op::broadcast_d, Inst::kIdVbroadcastss, Inst::kIdVbroadcastss},
    {Op::broadcast_q, Inst::kIdVbroadcastsd, Inst::kIdVbroadcastsd},
    {Op::mask_and, kNo, Inst::kIdKandw},
    {Op::mask_or, kNo, Inst::kIdKorw},
    {Op::mask_xor, kNo, Inst::kIdKxorw},
    {Op::mask_xnor, kNo, Inst::kIdKxnorw},
    {Op::mask_andnot, kNo, Inst::kIdKandnw},
    {Op::mask_not, kNo, Inst::kIdKnotw},
    {Op::mask_high, kNo, Inst::kIdKshiftrw, 8},
    {Op::mask_join, kNo, Inst::kIdKunpckbw},
    {Op::mask_to_d, kNo, Inst::kIdVpmovm2d},
};

constexpr auto kByOp = [] {
  std::array<int8_t, kOpCount> table{};
  for (auto& at : table) at = -1;
  int8_t i = 0;
  for (const Encoding& e : kEncodings) table[static_cast<size_t>(e.op)] = i++;
  return table;
}();

}  // namespace

const Encoding* encoding_of(Op op) {
  const int8_t at = kByOp[static_cast<size_t>(op)];
  return at < 0 ? nullptr : &kEncodings[at];
}

}  // namespace kiln::codegen::x64
