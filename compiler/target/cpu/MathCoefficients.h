// The numbers behind MathFunctions.cpp, and where they come from.
//
// All are minimax or least-squares fits of our own (mpmath, 30 digits: Remez exchange, for erf's
// pieces least squares at 80 Chebyshev points), weighted so that the error is relative to the
// function. Coefficients were rounded to float32 one after another, the lowest power first, and the
// rest fitted again each time, so that later ones make up for the rounding of earlier ones.
// "Error" is that of the polynomial with these float32 coefficients, evaluated exactly; what
// float32 arithmetic adds is measured by test/compiler/target/MathFunctionsTest.cpp.
#pragma once

namespace danaus::cpu::coefficients {

/// exp(r) = 1 + r + r^2 q(r), |r| <= ln(2)/2: relative error 3.2e-9.
constexpr float Exp[] = {0.499999940395f, 0.166665166616f, 0.0416681021452f, 0.00836919248104f,
                         0.00138388969935f};

/// log(1 + f) = f - f^2/2 + f^3 q(f), sqrt(1/2) <= 1 + f <= sqrt(2): relative error 1.8e-8.
constexpr float Log[] = {0.3333331347f, -0.2500016987f, 0.2000222504f,
                         -0.166592136f, 0.1420942545f,  -0.1255216151f,
                         0.1211225614f, -0.1090523675f, 0.05310993269f};

/// tanh(x) = x + x^3 q(x^2), |x| <= 0.6: relative error 2.9e-9.
constexpr float TanhBound = 0.6f;
constexpr float Tanh[] = {-0.3333329856f, 0.1333193481f, -0.05378449336f, 0.02079760469f,
                          -0.005896510556f};

/// erf(x) = x + x q(x^2), |x| <= 0.875: relative error 1.5e-8.
constexpr float ErfBound = 0.875f;
constexpr float ErfNear[] = {0.1283791512f,   -0.3761250377f,  0.1128192171f,
                             -0.02677048557f, 0.004998928867f, -0.0006020506262f};

/// erf(x) = 1 - exp(q(x)), 0.875 <= x <= 3.925: error 1.8e-10 relative to erf.
constexpr float ErfFar[] = {0.0001617668895f, -1.129451871f,    -0.6334761977f,   -0.1081358865f,
                            0.02502500825f,   -0.004134793766f, 0.0004269003985f, -2.043567838e-5f};

/// From here on erf is 1 in float32.
constexpr float ErfEnd = 3.925f;

/// erf(k h + u) = sum over d of row[d][k] u^d, |u| <= h/2, k a lane of a vector register; in the
/// piece around 0 u itself stands in for the constant term. h has few digits: k h and x - k h are
/// exact. 16 pieces of h = 65/256, degree 5: relative error 6.5e-8, of which the rounding of the
/// constant term is the larger part.
constexpr float ErfSpacing16 = 65.0f / 256;
constexpr float ErfPieces16[][16] = {
    {0.0f, 0.28046301f, 0.527338445f, 0.718623817f, 0.849086046f, 0.927408159f, 0.968796372f,
     0.988047481f, 0.995929182f, 0.998769462f, 0.999670327f, 0.999921799f, 0.999983609f,
     0.99999696f, 0.999999523f, 0.99999994f},
    {0.128379166f, 1.05792987f, 0.871890604f, 0.631641567f, 0.402237773f, 0.225163758f,
     0.110794343f, 0.0479225703f, 0.0182207469f, 0.00608969759f, 0.00178907614f, 0.000462024967f,
     0.000104883169f, 2.09290683e-5f, 3.67111443e-6f, 5.66043752e-7f},
    {2.65818926e-7f, -0.268610835f, -0.442742884f, -0.481132507f, -0.408526242f, -0.285857916f,
     -0.168795317f, -0.0851707309f, -0.0370106921f, -0.0139225982f, -0.00454744138f,
     -0.00128963066f, -0.000322771608f, -6.9425354e-5f, -1.82905933e-5f, -5.22422624e-6f},
    {-0.376140893f, -0.30722025f, -0.1407343f, 0.0337702371f, 0.142521277f, 0.166876107f,
     0.134494305f, 0.0849512592f, 0.0440459996f, 0.0191701651f, 0.00709272968f, 0.00224859221f,
     0.000614077726f, 0.000145008278f, 2.96907965e-5f, 5.28235114e-6f},
    {0.0002744128f, 0.127641842f, 0.181782737f, 0.147049442f, 0.0640767962f, -0.0100046489f,
     -0.0455206037f, -0.047174044f, -0.0324102491f, -0.0169839934f, -0.00729360571f,
     -0.00277425279f, -0.000680489698f, -0.000202861105f, 0.000210663566f, 0.000142698031f},
    {0.11102099f, 0.0810184777f, 0.00485922955f, -0.0543379411f, -0.0682508722f, -0.0445311964f,
     -0.0123022674f, 0.0077991304f, 0.0130250966f, 0.0100210821f, 0.00549812801f, 0.00237023341f,
     0.000835905958f, 0.000246077339f, 6.12372896e-5f, 1.29866066e-5f}};

/// 8 pieces of h = 67/128, degree 6: relative error 2.9e-8.
constexpr float ErfSpacing8 = 67.0f / 128;
constexpr float ErfPieces8[][8] = {
    {0.0f, 0.540853143f, 0.861261427f, 0.973632574f, 0.996933699f, 0.999785483f, 0.999991059f,
     0.999999762f},
    {0.128379166f, 0.857954443f, 0.377130568f, 0.0958375037f, 0.0140798232f, 0.00119588489f,
     5.87282484e-5f, 1.66780205e-6f},
    {-7.02414923e-7f, -0.44908464f, -0.394808948f, -0.150493175f, -0.0294822771f, -0.00313126901f,
     -0.000183498763f, -3.93367918e-6f},
    {-0.376086295f, -0.129301831f, 0.149779484f, 0.125626847f, 0.0364648513f, 0.0050595114f,
     0.000365495478f, 1.42531062e-5f},
    {-0.000718756346f, 0.183483019f, 0.0532238223f, -0.0485066213f, -0.0282705482f, -0.00553827221f,
     -0.000540492823f, -8.76758058e-5f},
    {0.118442468f, 0.00120425189f, -0.0656449795f, -0.00792397931f, 0.0125268251f, 0.00440370571f,
     0.000566478469f, 3.44543478e-5f},
    {-0.0199425835f, -0.0478487462f, 0.00836175587f, 0.017041795f, -0.00180751411f, -0.00263688224f,
     -0.000213414809f, 0.000495561631f}};

} // namespace danaus::cpu::coefficients
